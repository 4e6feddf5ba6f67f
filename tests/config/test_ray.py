import pytest

from in2_plugin.config import RayConfig
from in2_plugin.errors import ConfigError


def test_ray_client_is_refused_with_what_to_do():
    with pytest.raises(ConfigError, match="run `in2 build` on a node of the cluster with `address: auto`"):
        RayConfig.parse({"address": "ray://head:10001"}, "build.yml")


def test_a_storage_is_an_address():
    with pytest.raises(ConfigError, match="a folder that all nodes see needs none"):
        RayConfig.parse({"storage": "/shared/folder"}, "build.yml")
    assert RayConfig.parse({"storage": "s3://bucket/in2"}, "build.yml").storage == "s3://bucket/in2"
