"""Measure which dtype this processor multiplies faster: float32 or bfloat16.

With AMX, bfloat16 is several times faster; with AVX512-BF16 alone, or without both, it is slower than float32. Flags of
the processor do not say which kernels torch has, so short matrix products do. Cost: 0.2 s, and the import of torch.
"""

import time
from functools import cache
from typing import Literal

import torch

CpuDtype = Literal["float32", "bfloat16"]
SHAPE = (256, 576, 1_536)
"""Tokens, input and output of one linear layer: the MLP of a model of 135M parameters; 0.5 GFLOP, so short that a
product is seldom interrupted."""
SECONDS = 0.1
"""Time for each dtype, after one product that creates torch's kernel."""
NEEDED_GAIN = 1.2
"""bfloat16 must be this much faster: norms, softmax and the optimizer gain nothing from it, and it rounds."""


@cache
def fastest_cpu_dtype() -> CpuDtype:
    """Return the dtype to train and evaluate in on this CPU; measured once per process, with torch's threads."""
    speeds = cpu_matmul_speeds()
    return "bfloat16" if speeds["bfloat16"] > NEEDED_GAIN * speeds["float32"] else "float32"


@cache
def cpu_matmul_speeds() -> dict[CpuDtype, float]:
    """Return the speed of matrix products by dtype, in TFLOP/s: the fastest of several products."""
    rows, inner, columns = SHAPE
    operations = 2 * rows * inner * columns
    return {
        "float32": operations / _fastest_product(torch.float32) / 1e12,
        "bfloat16": operations / _fastest_product(torch.bfloat16) / 1e12,
    }


def _fastest_product(dtype: torch.dtype) -> float:
    """Return the seconds of the fastest product."""
    rows, inner, columns = SHAPE
    left, right = torch.ones(rows, inner, dtype=dtype), torch.ones(inner, columns, dtype=dtype)
    torch.mm(left, right)
    seconds: list[float] = []
    while sum(seconds) < SECONDS:
        start = time.perf_counter()
        torch.mm(left, right)
        seconds.append(time.perf_counter() - start)
    return min(seconds)
