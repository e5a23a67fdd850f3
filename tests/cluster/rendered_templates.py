"""What the tests of the deployment templates share."""

from typing import Any

from evensweep.cluster.deployment import TEMPLATES, Template
from evensweep.cluster.rendering import render

REQUIRED = {
    "aws": {"ami": "ami-0123456789abcdef0"},
    "gcp": {"project": "a-project"},
    "kuberay": {"image": "registry.example/evensweep:0.1.0"},
    "slurm": {},
    "docker": {},
}
"""Values of the parameters that have no default, as the command line gives them."""


def filled_in(name: str, /, **parameters: Any) -> Template:
    return TEMPLATES[name].model_validate({**REQUIRED[name], **parameters})


def rendered(name: str, /, **parameters: Any) -> str:
    return render(filled_in(name, **parameters))
