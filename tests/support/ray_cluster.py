"""A small Ray on this machine, for tests: one node, no dashboard, and no process left behind.

GPUs are a number that Ray counts: nothing here needs one. Cost: about 10 s to begin, and
several for each worker process that imports torch.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

SETTINGS = {
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    # else Ray hides the GPUs that a machine has from work that asks for none
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}
STORE_BYTES = 100 << 20
TRIES = 3
"""Ray gives its first node 30 s and no more, which a machine that is busy with other tests can miss."""


@contextmanager
def small_ray(num_cpus: int = 1, num_gpus: int = 0, **environment: str) -> Iterator[Any]:
    """A `ray.cluster_utils.Cluster` of one node, to which nodes can be added; ended on leaving.

    All are processes of this machine, with these environment variables, and this process is the driver.

    Always by `Cluster`: where `ray.init` itself had started a Ray before, in the same process, the actors of the next
    one end before they run.
    """
    import ray

    node = {"num_cpus": num_cpus, "num_gpus": num_gpus, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    with mock.patch.dict(os.environ, {**SETTINGS, **environment}):
        cluster = _started(node)
        try:
            ray.init(address=cluster.address, log_to_driver=False)
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


def _started(node: dict[str, Any]) -> Any:
    from ray.cluster_utils import Cluster

    for left in reversed(range(TRIES)):
        try:
            return Cluster(initialize_head=True, head_node_args=node)
        except Exception as failure:
            if not left or "timed out during startup" not in str(failure):
                raise
    raise AssertionError


def add_node(cluster: Any) -> Any:
    """Another node of one CPU; to be removed with `cluster.remove_node`."""
    return cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
