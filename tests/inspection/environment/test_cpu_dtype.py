import time

import pytest
import torch

from in2_plugin.inspection.environment import cpu_dtype
from in2_plugin.inspection.environment.cpu_dtype import cpu_matmul_speeds, fastest_cpu_dtype


@pytest.fixture(autouse=True)
def forgotten():
    measured, chosen = cpu_matmul_speeds, fastest_cpu_dtype
    yield
    measured.cache_clear()
    chosen.cache_clear()


def test_both_dtypes_are_measured_once_and_quickly():
    threads, start = torch.get_num_threads(), time.process_time()
    speeds = cpu_matmul_speeds()
    assert time.process_time() - start < 2  # 0.25 s on one quiet core
    assert set(speeds) == {"float32", "bfloat16"} and all(0.0005 < speed < 100 for speed in speeds.values())
    assert cpu_matmul_speeds() is speeds
    assert torch.get_num_threads() == threads
    assert fastest_cpu_dtype() in speeds


@pytest.mark.parametrize(
    ("float32", "bfloat16", "chosen"),
    [(0.10, 0.74, "bfloat16"), (0.31, 0.16, "float32"), (0.10, 0.14, "float32"), (0.10, 0.16, "bfloat16")],
)
def test_bfloat16_has_to_be_clearly_faster(monkeypatch, float32, bfloat16, chosen):
    fastest_cpu_dtype.cache_clear()
    monkeypatch.setattr(cpu_dtype, "cpu_matmul_speeds", lambda: {"float32": float32, "bfloat16": bfloat16})
    assert fastest_cpu_dtype() == chosen
