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
def small_ray(num_cpus: int = 2, num_gpus: int = 0, **environment: str) -> Iterator[None]:
    """Ray with so many CPUs and GPUs, and these environment variables in its processes; ended on leaving."""
    import ray

    with mock.patch.dict(os.environ, {**SETTINGS, **environment}):
        _start(num_cpus, num_gpus)
        try:
            yield
        finally:
            ray.shutdown()


def _start(num_cpus: int, num_gpus: int) -> None:
    import ray

    for left in reversed(range(TRIES)):
        try:
            ray.init(
                address="local",
                num_cpus=num_cpus,
                num_gpus=num_gpus,
                include_dashboard=False,
                object_store_memory=STORE_BYTES,
                log_to_driver=False,
            )
            return
        except Exception as failure:
            ray.shutdown()
            if not left or "timed out during startup" not in str(failure):
                raise


@contextmanager
def cluster_of_nodes(**environment: str) -> Iterator[Any]:
    """A cluster whose nodes are processes of this machine, one CPU each; a `ray.cluster_utils.Cluster` of one node, to
    which nodes are added. This process is its driver."""
    import ray
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": STORE_BYTES}
    with mock.patch.dict(os.environ, {**SETTINGS, **environment}):
        cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        try:
            ray.init(address=cluster.address, log_to_driver=False)
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


def add_node(cluster: Any) -> Any:
    """Another node; to be removed with `cluster.remove_node`."""
    return cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
