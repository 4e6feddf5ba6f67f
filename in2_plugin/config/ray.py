"""The `ray` section of a build file, which `in2 build --engine ray` and `in2 export --engine ray` read.

Invariant: the bytes of a dataset do not depend on it.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import field_validator

from in2_plugin.config.base import Config


class RayConfig(Config):
    """The Ray cluster that `--engine ray` uses."""

    address: str | None = None
    """Address of the cluster, or `auto` for the cluster of this node. Default: the environment variable `RAY_ADDRESS`,
    or else a new local Ray instance."""
    storage: str | None = None
    """Folder in object storage (`s3://bucket/folder`, `gs://...`), for clusters whose nodes do not share `output`. The
    build uploads finished files that workers need, each node downloads them once, and the build removes them at its
    end."""
    runtime_env: Mapping[str, Any] = {}
    """Ray's `runtime_env`, for nodes without in2-plugin, for example `{pip: ["in2-plugin"]}`."""

    @field_validator("address")
    @classmethod
    def _no_client(cls, value: str | None) -> str | None:
        if value is not None and value.startswith("ray://"):
            raise ValueError(
                "Ray Data does not support Ray Client; run `in2 build` on a node of the cluster with "
                "`address: auto`, for example with `ray job submit`"
            )
        return value

    @field_validator("storage")
    @classmethod
    def _is_storage(cls, value: str | None) -> str | None:
        if value is not None and "://" not in value:
            raise ValueError("must be a URI like s3://bucket/folder; leave it out when all nodes share `output`")
        return value
