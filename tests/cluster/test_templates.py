"""Deployment templates: each is what its own tool takes, and no value breaks out of one."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from pydantic import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config
from rendered_templates import REQUIRED, filled_in, rendered

from evensweep.cluster.deployment import TEMPLATES

SCHEMA = Path(__file__).with_name("rayjob.schema.yaml")
KUBERNETES = "1.34"
CLOUDS = ["aws", "gcp"]
OTHERS: dict[str, dict[str, str]] = {
    "aws": {
        "ami": "ami-00000000",
        "zones": "us-west-2a,us-west-2b",
        "head_profile": "head",
        "worker_profile": "worker",
        "security_group": "sg-0123456789abcdef0",
    },
    "gcp": {
        "project": "b",
        "image": "projects/b/global/images/c",
        "worker_account": "a@b.example",
        "worker_gpus": "1",
    },
    "kuberay": {"service_account": "sweeper", "worker_gpus": "1", "claim": ""},
    "slurm": {"gpus": "2", "partition": "long", "account": "lab", "run": "mine", "requeue": "no"},
    "docker": {"wheel": "dist/a.whl", "constraints": "constraints.txt", "content": "sweeps"},
}
"""Values of the parameters whose defaults leave something out."""

NASTY = [
    "'; touch pwned; '",
    '"; touch pwned; "',
    "$(touch pwned)",
    "`touch pwned`",
    "x\\",
    "a: b",
    "# no comment",
    "{{ 7 * 7 }}{% raw %}",
    "- item",
    "*alias",
    "!!python/object:os.system",
    "] }, evil: yes",
    "--head",
    "é ü 😀",
    "${HOME}",
    " ",
    "line\nbreak",
    "\x00",
    "\x1b[0m",
    "a\u2028b",
]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every scalar of a document with the way to it."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, dict | list) and item:
            yield from leaves(item, (*path, key))
        else:
            yield (*path, key), item


def documents(text: str) -> list[Any]:
    return list(yaml.safe_load_all(text))


def accepted(name: str, field: str, value: str) -> dict[str, str] | None:
    """The parameters with a value, unless the template refuses it."""
    given = {**REQUIRED[name], field: value}
    try:
        filled_in(name, **given)
    except ValidationError:
        return None
    return given


def text_fields(name: str) -> list[str]:
    """Parameters that are given as text and taken as such, or as words."""
    fields = TEMPLATES[name].model_fields
    return [key for key in fields if "int" not in str(fields[key].annotation)]


# What every template keeps.


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_parameter_has_help_and_changes_the_file(name: str, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text("seed: 1\n")
    examples = {
        "name": "other", "version": "9.9", "packages": "s3fs", "max_workers": "7",
        "min_workers": "1", "spot": "no", "idle_minutes": "9", "disk_gb": "77",
        "internal_ips": "yes", "wheel": str(sweep), "region": "r", "zone": "z", "head_type": "h",
        "worker_type": "w", "worker_cpus": "3", "head_cpus": "3", "image": "other:1",
        "namespace": "ns", "sweep": str(sweep), "arguments": "--set seed=1", "storage": "s3://b/r",
        "worker_memory": "1Gi", "head_memory": "1Gi", "retries": "0", "keep_seconds": "1",
        "nodes": "3", "cpus": "3", "memory": "1G", "time": "10", "warning_seconds": "99",
        "venv": "/opt/venv", "base": "python:3.11",
    } | OTHERS[name]  # fmt: skip
    default = rendered(name)
    for key, field in TEMPLATES[name].model_fields.items():
        assert field.description
        assert rendered(name, **{key: examples[key]}) != default, key


def test_what_a_template_prints_must_be_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    from jinja2 import DictLoader

    from evensweep.cluster import rendering

    parameters = filled_in("slurm")
    for text, error in {"{{ p.venv }}": TypeError, "{{ 'a b'|plain }}": ValueError}.items():
        loader = DictLoader({parameters.file: text})
        monkeypatch.setattr(rendering, "PackageLoader", lambda _, loader=loader: loader)
        with pytest.raises(error):
            rendering.render(parameters)


@pytest.mark.parametrize("name", ["aws", "gcp", "kuberay"])
def test_no_value_breaks_out_of_yaml(name: str) -> None:
    for field in text_fields(name):
        for nasty in NASTY:
            value = shlex.quote(nasty) if field in {"packages", "arguments"} else nasty
            given = accepted(name, field, value)
            if given is None:
                continue
            # The same document but for this value, wherever it stands.
            harmless = rendered(name, **{**given, field: "harmless"})
            for one, other in zip(
                leaves(documents(rendered(name, **given))),
                leaves(documents(harmless)),
                strict=True,
            ):
                assert one[0] == other[0]
                if one[1] != other[1]:
                    assert "harmless" in other[1]


def test_a_sweep_file_of_any_content_comes_through(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    for content in ["seed: 1", "  a: b\n c: d\n", "---\nx: |\n  y\n\n\n", "é: '\t'\n", "x: 1\r\n"]:
        path.write_text(content, newline="")
        config, _ = documents(rendered("kuberay", sweep=str(path)))
        assert config["data"]["sweep.yaml"] == content.strip("\r\n") + "\n"


# Ray's cluster launcher.


@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize("name", CLOUDS)
def test_ray_takes_the_cluster_files(name: str, others: bool) -> None:
    config = yaml.safe_load(rendered(name, **(OTHERS[name] if others else {})))
    prepared = prepare_config(config)
    validate_config(prepared)
    # Nothing comes from Ray's own defaults but what is of no account.
    assert prepared.keys() - config.keys() <= {
        "upscaling_speed", "docker", "cluster_synced_files", "file_mounts_sync_continuously",
        "rsync_exclude", "rsync_filter",
    }  # fmt: skip


@pytest.mark.parametrize("name", CLOUDS)
def test_the_head_stays_and_workers_are_spot_machines(name: str) -> None:
    def machines(**parameters: str) -> tuple[Any, Any]:
        types = yaml.safe_load(rendered(name, **parameters))["available_node_types"]
        return types["head"], types["worker"]

    spot = {"aws": "InstanceMarketOptions", "gcp": "scheduling"}[name]
    head, worker = machines(max_workers="6", min_workers="2")
    assert spot not in head["node_config"]
    assert "spot" in str(worker["node_config"][spot]).lower()
    assert head["resources"] == {"CPU": 0}
    assert (worker["min_workers"], worker["max_workers"]) == (2, 6)
    assert spot not in machines(spot="false")[1]["node_config"]


@pytest.mark.parametrize("name", CLOUDS)
def test_a_cloud_cluster_has_a_token_and_no_open_dashboard(name: str) -> None:
    config = yaml.safe_load(rendered(name))
    assert config["file_mounts"]["/home/ubuntu/.ray/auth_token"] == "~/.ray/auth_token"
    for kind in ("head", "worker"):
        starts = [c for c in config[f"{kind}_start_ray_commands"] if "ray start" in c]
        assert len(starts) == 1
        assert "RAY_AUTH_MODE=token" in starts[0]
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][1]
    assert "0.0.0.0" not in rendered(name)


@pytest.mark.parametrize("nasty", [text for text in NASTY if text.isprintable()])
@pytest.mark.parametrize("name", CLOUDS)
def test_setup_installs_what_is_asked_for(name: str, nasty: str, tmp_path: Path) -> None:
    wheel = tmp_path / "evensweep-0.1.0-py3-none-any.whl"
    wheel.touch()
    config = yaml.safe_load(rendered(name, wheel=str(wheel), packages=f"s3fs {shlex.quote(nasty)}"))
    assert config["file_mounts"][f"/home/ubuntu/{wheel.name}"] == str(wheel)
    home = tmp_path / "home"
    pip = home / "evensweep" / "bin" / "pip"
    pip.parent.mkdir(parents=True)
    pip.write_text(f'#!/bin/sh\nprintf "%s\\0" "$@" > {home}/installed\n')
    pip.chmod(0o755)
    (installing,) = [c for c in config["setup_commands"] if "pip install" in c]
    subprocess.run(["bash", "-c", installing], check=True, cwd=home, env={"HOME": str(home)})
    installed = (home / "installed").read_text().split("\0")
    assert installed[:2] == ["install", "--quiet"]
    assert installed[2] == f"/home/ubuntu/{wheel.name}"
    assert re.fullmatch(r"ray\[default,tune\]==[\d.]+", installed[3])
    assert installed[4:] == ["s3fs", nasty, ""]
    assert sorted(path.name for path in home.iterdir()) == ["evensweep", "installed"]


# KubeRay.


@pytest.mark.parametrize("others", [False, True])
def test_kubernetes_and_kuberay_take_the_job(others: bool) -> None:
    config, job = documents(rendered("kuberay", **(OTHERS["kuberay"] if others else {})))
    kubernetes_validate.validate(config, KUBERNETES, strict=True)
    jsonschema.validate(job, yaml.safe_load(SCHEMA.read_text()))
    cluster = job["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}}
        kubernetes_validate.validate(pod | group["template"], KUBERNETES, strict=True)


def test_a_ray_job_cleans_up_has_a_token_and_runs_as_nobody_special() -> None:
    _, job = documents(rendered("kuberay", min_workers="1", max_workers="9", worker_gpus="2"))
    assert job["spec"]["shutdownAfterJobFinishes"] is True
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["enableInTreeAutoscaling"] is True
    assert cluster["headGroupSpec"]["serviceType"] == "ClusterIP"
    (workers,) = cluster["workerGroupSpecs"]
    assert (workers["minReplicas"], workers["maxReplicas"]) == (1, 9)
    for group in (cluster["headGroupSpec"], workers):
        spec = group["template"]["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        (container,) = spec["containers"]
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 2


@pytest.mark.parametrize(
    ("ends", "asked", "status"),
    [
        ([0], ["resume"], 0),
        ([1], ["resume"], 1),
        ([2, 0], ["resume", "run"], 0),
        ([2, 1], ["resume", "run"], 1),
        ([2, 2, 0], ["resume", "run", "sleep", "resume"], 0),
        ([2, 2, 2], ["resume", "run", "sleep", "resume"], 2),
    ],
)
def test_a_ray_job_goes_on_with_its_run(
    ends: list[int], asked: list[str], status: int, tmp_path: Path
) -> None:
    """A retry has a new cluster and the same storage, which a killed driver may seem to have."""
    nasty = "'; touch pwned; '"
    config, job = documents(
        rendered(
            "kuberay",
            arguments=f"--data {shlex.quote(nasty)}",
            storage=f"{nasty}?region=eu-west-1",
        )
    )
    assert job["spec"]["entrypoint"] == "bash /etc/evensweep/run.sh"
    (tmp_path / "run.sh").write_text(config["data"]["run.sh"])
    (tmp_path / "ends").write_text(json.dumps(ends))
    shims = {
        "evensweep": f"#!{sys.executable}\nimport json, sys\n"
        "open('asked', 'a').write(json.dumps(sys.argv[1:]) + '\\n')\n"
        "code, *left = json.load(open('ends'))\n"
        "json.dump(left, open('ends', 'w'))\n"
        "sys.exit(code)\n",
        "sleep": "#!/bin/sh\necho '[\"sleep\", '$1']' >> asked\n",
    }
    for name, text in shims.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    ran = subprocess.run(
        ["bash", "run.sh"], cwd=tmp_path, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}
    )
    assert ran.returncode == status
    calls = [json.loads(line) for line in (tmp_path / "asked").read_text().splitlines()]
    named = ["--out", f"{nasty}?region=eu-west-1", "--name", "evensweep", "--address", "auto"]
    expected = {
        "resume": ["resume", f"{nasty}/evensweep?region=eu-west-1", "--address", "auto"],
        "run": ["run", "--data", nasty, *named],
        "sleep": ["sleep", 70],
    }
    assert calls == [expected[word] for word in asked]
    assert not (tmp_path / "pwned").exists()


# Docker.


@pytest.mark.parametrize("others", [False, True])
def test_hadolint_finds_nothing_in_the_dockerfile(others: bool, tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text(rendered("docker", **(OTHERS["docker"] if others else {})))
    hadolint = Path(sys.executable).with_name("hadolint")
    ran = subprocess.run([hadolint, path], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "")


def instructions(text: str) -> list[tuple[str, str]]:
    joined = text.replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def test_the_image_is_pinned_and_its_user_is_not_root() -> None:
    found = instructions(rendered("docker"))
    assert found[0][0] == "FROM"
    assert re.fullmatch(r"python:3\.12\.\d+-slim-bookworm", found[0][1])
    assert [value for key, value in found if key == "USER"] == ["1000:1000"]
    assert found[-1] == ("CMD", '["evensweep", "--help"]')


@pytest.mark.parametrize("nasty", [text for text in NASTY if text.isprintable()])
def test_no_value_breaks_out_of_the_dockerfile(nasty: str) -> None:
    usual = instructions(rendered("docker", packages="harmless"))
    for field in text_fields("docker"):
        value = shlex.quote(nasty) if field == "packages" else nasty
        given = accepted("docker", field, value)
        if given is None:
            continue
        found = instructions(rendered("docker", **given))
        if field == "packages":
            assert [key for key, _ in found] == [key for key, _ in usual]
            (install,) = [value for key, value in found if key == "RUN" and value[0] == "["]
            assert json.loads(install)[-1] == nasty
        else:
            assert nasty == ""


# Shells.


@pytest.mark.parametrize("name", ["slurm", "kuberay"])
def test_shellcheck_finds_nothing(name: str, tmp_path: Path) -> None:
    shellcheck = shutil.which("shellcheck") or Path(sys.executable).with_name("shellcheck")
    for others in ({}, OTHERS[name]):
        text = rendered(name, **others)
        if name == "kuberay":
            text = documents(text)[0]["data"]["run.sh"]
        path = tmp_path / "script.sh"
        path.write_text(text)
        ran = subprocess.run([shellcheck, "-s", "bash", path], capture_output=True, text=True)
        assert (ran.returncode, ran.stdout) == (0, "")
