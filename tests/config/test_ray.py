import pytest

from in2_plugin.config import RayConfig
from in2_plugin.errors import ConfigError


def test_ray_client_addresses_are_refused_with_advice():
    with pytest.raises(ConfigError, match="run `in2 build` on a node of the cluster with `address: auto`"):
        RayConfig.parse({"address": "ray://head:10001"}, "build.yml")


def test_storage_must_be_a_uri():
    with pytest.raises(ConfigError, match="leave it out when all nodes share `output`"):
        RayConfig.parse({"storage": "/shared/folder"}, "build.yml")
    assert RayConfig.parse({"storage": "s3://bucket/in2"}, "build.yml").storage == "s3://bucket/in2"
