from contextlib import nullcontext

from in2_plugin.cli.options import EngineName, open_engine
from in2_plugin.config import RayConfig


def test_the_local_engine_needs_no_connection(tmp_path):
    opened = open_engine(EngineName.LOCAL, RayConfig(), tmp_path, None, print)
    assert isinstance(opened, nullcontext)
    with opened as engine:
        assert engine is None


def test_the_ray_engine_is_not_connected_before_it_is_entered(tmp_path):
    from in2_plugin.execution.ray.engine import RayEngine

    assert isinstance(open_engine(EngineName.RAY, RayConfig(), tmp_path, 2, print), RayEngine)
