"""The `ray` section of a build file: the cluster of `in2 build --engine ray`. No byte of a dataset depends on it."""

from collections.abc import Mapping
from typing import Any

from pydantic import field_validator

from in2_plugin.config.base import Config


class RayConfig(Config):
    """The Ray cluster of `in2 build --engine ray`."""

    address: str | None = None
    """Address of the cluster, or `auto` for the one that this machine belongs to. When absent it is `RAY_ADDRESS` of
    the environment, or else a Ray of this machine alone is started."""
    storage: str | None = None
    """Folder in an object storage (`s3://bucket/folder`, `gs://...`), for clusters whose nodes do not all see `output`:
    sealed files that workers need are put there, fetched once a node, and removed when the build is finished."""
    runtime_env: Mapping[str, Any] = {}
    """Ray's own `runtime_env`, for nodes where in2-plugin is not installed, for example `{pip: ["in2-plugin"]}`."""

    @field_validator("address")
    @classmethod
    def _no_client(cls, value: str | None) -> str | None:
        if value is not None and value.startswith("ray://"):
            raise ValueError(
                "Ray Data does not work over Ray Client; run `in2 build` on a node of the cluster with "
                "`address: auto`, for example with `ray job submit`"
            )
        return value

    @field_validator("storage")
    @classmethod
    def _is_storage(cls, value: str | None) -> str | None:
        if value is not None and "://" not in value:
            raise ValueError("must be an address like s3://bucket/folder; a folder that all nodes see needs none")
        return value
