"""The machine that figures come from."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("evensweep", "tensorflow", "keras", "ray", "keras-tuner", "optuna", "numpy")


def describe_machine() -> dict[str, str]:
    """Hardware, system and versions, by what they are called."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "CPU": _cpu_model(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": _system(),
        "Python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()
