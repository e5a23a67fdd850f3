"""``evensweep cluster`` lists templates, fills them in, and says what is wrong in a sentence."""

from pathlib import Path

import pytest
from rendered_templates import rendered
from typer.testing import CliRunner, Result

from evensweep import cli
from evensweep.cluster.deployment import TEMPLATES


def command(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, ["cluster", *map(str, arguments)])


def test_templates_are_listed_with_their_parameters() -> None:
    listed = command("templates").output
    for name, template in TEMPLATES.items():
        assert f"{name}: {template.title}" in " ".join(listed.split())
        for field in template.model_fields:
            assert field in listed
    assert "kuberay" not in command("templates", "slurm").output


def test_a_template_is_printed_or_written_and_never_replaces_a_file(tmp_path: Path) -> None:
    printed = command("template", "slurm", "--set", "nodes=3")
    assert (printed.exit_code, printed.stdout) == (0, rendered("slurm", nodes="3"))
    path = tmp_path / "job.sh"
    assert command("template", "slurm", "-o", path).exit_code == 0
    assert path.read_text() == rendered("slurm")
    again = command("template", "slurm", "--set", "nodes=4", "-o", path)
    assert again.exit_code == 2
    assert path.read_text() == rendered("slurm")
    assert command("template", "slurm", "--set", "nodes=4", "-o", path, "--force").exit_code == 0
    assert "--nodes=4" in path.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["slrum"], "there is no template 'slrum'; did you mean 'slurm'?"),
        (["x"], "there is no template 'x'; there are aws, gcp, kuberay, slurm, docker"),
        (["slurm", "--set", "node=3"], "'node' is not a known key; did you mean 'nodes'?"),
        (["slurm", "--set", "nodes"], "--set nodes: write it as key=value"),
        (["slurm", "--set", "nodes=two"], "nodes: input should be a valid integer"),
        (["slurm", "--set", "nodes=0"], "nodes: input should be greater than or equal to 1"),
        (["slurm", "--set", "requeue=maybe"], "requeue: input should be a valid boolean"),
        (["slurm", "--set", "time=soon"], "time: it must be minutes, hours:minutes:seconds"),
        (["slurm", "--set", "arguments='a"], "arguments: a quote is open"),
        (["slurm", "--set", "venv=a\nb"], "venv: it must be one line of printable characters"),
        (["aws"], "aws needs --set ami=…: The region's image of Ubuntu 24.04"),
        (["aws", "--set", "ami=ubuntu"], "ami: it must be an image's id such as ami-01"),
        (
            ["gcp", "--set", "project=p", "--set", "min_workers=5"],
            "min_workers must not be above max_workers, got 5 and 4",
        ),
        (["kuberay", "--set", "image=i", "--set", "sweep=none.yaml"], "sweep: path does not point"),
    ],
)
def test_wrong_input_gets_one_sentence(arguments: list[str], said: str) -> None:
    answer = command("template", *arguments)
    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert answer.stderr.startswith("evensweep: ")
    assert said in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_a_sweep_file_that_is_no_text_gets_a_sentence(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep.yaml"
    sweep.write_bytes(b"\xff\xfe")
    answer = command("template", "kuberay", "--set", "image=i", "--set", f"sweep={sweep}")
    assert (answer.exit_code, answer.stderr) == (
        2,
        "evensweep: the sweep file is not UTF-8; save it as UTF-8\n",
    )


def test_a_file_that_cant_be_written_gets_a_sentence(tmp_path: Path) -> None:
    answer = command("template", "docker", "-o", tmp_path / "no" / "such" / "Dockerfile")
    assert answer.exit_code == 2
    assert "No such file or directory" in answer.stderr
