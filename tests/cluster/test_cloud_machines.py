"""The clouds' own descriptions of a machine take what the cluster files say of one.

Google's client is no dependency, since it has 100 MB: ``pip install google-api-python-client`` lets
its test run, which is worth it when a machine in a template changes.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws
from ray.autoscaler._private.util import prepare_config
from rendered_templates import rendered

TYPES = {"string": str, "integer": int, "boolean": bool, "number": float, "array": list}


@pytest.fixture
def amazon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Amazon's API, played on this machine; a request that its description forbids is refused."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("HOME", str(tmp_path))  # for the key pair that Ray makes
    (tmp_path / ".ssh").mkdir()
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        yield


@pytest.mark.minutes
def test_ray_starts_the_machines_on_amazon(amazon: None) -> None:
    from ray.autoscaler._private.aws.config import bootstrap_aws
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

    iam = boto3.client("iam")
    iam.create_instance_profile(InstanceProfileName="workers")
    image = boto3.client("ec2", region_name="us-west-2").describe_images()["Images"][0]["ImageId"]
    text = rendered("aws", ami=image, worker_profile="workers", max_workers="2", disk_gb="50")
    config = bootstrap_aws(prepare_config(yaml.safe_load(text)))
    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    for kind in ("head", "worker"):
        node_config = config["available_node_types"][kind]["node_config"]
        provider.create_node(node_config, {"ray-node-type": kind}, 1)

    started = {}
    for reservation in boto3.client("ec2", region_name="us-west-2").describe_instances()[
        "Reservations"
    ]:
        for instance in reservation["Instances"]:
            tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
            started[tags["ray-node-type"]] = instance
    assert started["worker"]["InstanceLifecycle"] == "spot"
    assert "InstanceLifecycle" not in started["head"]
    assert started["worker"]["IamInstanceProfile"]["Arn"].endswith("/workers")
    assert started["head"]["InstanceType"] == "m7i.large"
    for instance in started.values():
        assert instance["MetadataOptions"]["HttpTokens"] == "required"


def misfits(value: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    """What of a value Google's description of it doesn't know."""
    schema = schemas.get(schema.get("$ref", ""), schema)
    if isinstance(value, dict):
        for key, item in value.items():
            if key in schema.get("properties", {}):
                yield from misfits(item, schema["properties"][key], schemas)
            else:
                yield f"{schema.get('id')} has no {key}"
    elif isinstance(value, list):
        for item in value:
            yield from misfits(item, schema["items"], schemas)
    elif not isinstance(value, TYPES.get(schema["type"], object)) and "format" not in schema:
        yield f"{value!r} is no {schema['type']}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{value!r} is none of {schema['enum']}"


@pytest.mark.parametrize("spot", ["yes", "no"])
def test_google_knows_the_machines(spot: str) -> None:
    client = pytest.importorskip("googleapiclient", reason="Google's client is not installed")
    described = Path(client.__file__).parent / "discovery_cache/documents/compute.v1.json"
    schemas = json.loads(described.read_text())["schemas"]
    text = rendered("gcp", spot=spot, worker_gpus="1", worker_account="a@b.iam.gserviceaccount.com")
    for kind in yaml.safe_load(text)["available_node_types"].values():
        assert list(misfits(kind["node_config"], schemas["Instance"], schemas)) == []
    wrong = {"disks": [{"boot": "yes", "size": 1}], "scheduling": {"provisioningModel": "CHEAP"}}
    assert len(list(misfits(wrong, schemas["Instance"], schemas))) == 3
