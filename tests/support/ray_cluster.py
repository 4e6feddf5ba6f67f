"""A small Ray cluster on this machine: one node, no dashboard, and no process left over at the end.

GPUs are only a number that Ray counts: no test needs one. Cost: about 10 s to start, and several seconds per worker
process that imports torch.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

SETTINGS = {
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    # otherwise Ray hides the machine's GPUs from tasks that request none
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}
STORE_BYTES = 100 << 20
MAX_STARTS = 3
"""Ray's first node must start within 30 s, which a machine that is busy with other tests can miss."""


@contextmanager
def small_ray(num_cpus: int = 1, num_gpus: int = 0, **environment: str) -> Iterator[Any]:
    """Start a `ray.cluster_utils.Cluster` of one node, and shut it down at the end; nodes can be added.

    All nodes are processes of this machine with these environment variables, and this process is the driver. Always a
    `Cluster`: after an earlier `ray.init` in the same process has started Ray itself, the actors of the next cluster
    exit before they run.
    """
    import ray

    node = {"num_cpus": num_cpus, "num_gpus": num_gpus, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    with mock.patch.dict(os.environ, {**SETTINGS, **environment}):
        cluster = _start(node)
        try:
            ray.init(address=cluster.address, log_to_driver=False)
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


def _start(node: dict[str, Any]) -> Any:
    from ray.cluster_utils import Cluster

    for left in reversed(range(MAX_STARTS)):
        try:
            return Cluster(initialize_head=True, head_node_args=node)
        except Exception as failure:
            if not left or "timed out during startup" not in str(failure):
                raise
    raise AssertionError


def add_node(cluster: Any) -> Any:
    """Add a node with one CPU; remove it with `cluster.remove_node`."""
    return cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
