"""The worker processes of this program's own Ray session."""

import re

import psutil

_TITLE = re.compile(r"ray::(TrialWorker|\S+ train$)")
"""Ray titles a process with its class, and with its task while it is at work."""


def trial_workers() -> list[psutil.Process]:
    """Those that train trials and folds, at work or between two."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if _TITLE.match(" ".join(process.cmdline()).strip()):
                found.append(process)
        except psutil.Error:
            continue  # it ended while it was looked at
    return found
