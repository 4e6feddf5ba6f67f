"""Measure which dtype this processor multiplies faster: float32 or bfloat16.

With AMX, bfloat16 is several times faster; with AVX512-BF16 alone, or without both, it is slower than float32. Flags of
the processor do not say which kernels torch has, so short matrix products do. Cost: 0.3 s, and the import of torch.
"""

import time
from functools import cache
from typing import Literal

import torch

CpuDtype = Literal["float32", "bfloat16"]
SHAPE = (256, 576, 1_536)
"""Tokens, input and output of one linear layer: the MLP of a model of 135M parameters; 0.5 GFLOP, so short that a
product is seldom interrupted."""
ROUNDS = 30
"""Products of each dtype, in turn: what else runs on the machine disturbs both."""
NEEDED_GAIN = 1.5
"""bfloat16 must be this much faster: norms, softmax and the optimizer gain nothing from it, and it rounds."""


@cache
def fastest_cpu_dtype() -> CpuDtype:
    """Return the dtype to train and evaluate in on this CPU; measured once per process."""
    speeds = cpu_matmul_speeds()
    return "bfloat16" if speeds["bfloat16"] > NEEDED_GAIN * speeds["float32"] else "float32"


@cache
def cpu_matmul_speeds() -> dict[CpuDtype, float]:
    """Return the speed of matrix products on one core by dtype, in TFLOP/s: the fastest of `ROUNDS` products."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # with more, one busy core delays a product several times
    try:
        seconds = _fastest_products()
    finally:
        torch.set_num_threads(threads)
    rows, inner, columns = SHAPE
    return {dtype: 2 * rows * inner * columns / each / 1e12 for dtype, each in seconds.items()}


def _fastest_products() -> dict[CpuDtype, float]:
    """Return the seconds of the fastest product of each dtype."""
    rows, inner, columns = SHAPE
    dtypes: dict[CpuDtype, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    factors = {
        name: (torch.ones(rows, inner, dtype=dtype), torch.ones(inner, columns, dtype=dtype))
        for name, dtype in dtypes.items()
    }
    seconds: dict[CpuDtype, list[float]] = {name: [] for name in dtypes}
    for _ in range(ROUNDS + 1):
        for name, (left, right) in factors.items():
            start = time.perf_counter()
            torch.mm(left, right)
            seconds[name].append(time.perf_counter() - start)
    return {name: min(each[1:]) for name, each in seconds.items()}  # the first product creates torch's kernel
