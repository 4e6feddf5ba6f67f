"""Check rows that are split over ranks: the model's heads, the attention.

Axolotl, DeepSpeed and ringmaster find these conflicts only when the model is loaded, or not at all.
"""

from collections.abc import Iterator

from in2_plugin.preflight.findings import Case, ConfigFinding
from in2_plugin.training.axolotl.context_parallel import (
    ranks_per_row,
    splits_rows,
    uses_ring_flash_attn,
    uses_ulysses,
)

ULYSSES_ATTENTION = ("sdpa", "flash_attention_2", "flash_attention_3")
"""What accelerate accepts, besides kernels from the hub (utils/dataclasses.py: DeepSpeedSequenceParallelConfig)."""


def check_context_parallelism(case: Case) -> Iterator[ConfigFinding]:
    """Find settings with which the rows of a run cannot be split."""
    if not splits_rows(case.cfg) or uses_ring_flash_attn():
        return
    yield from _heads(case)
    if uses_ulysses(case.cfg):
        yield from _attention(case)


def _heads(case: Case) -> Iterator[ConfigFinding]:
    """Check that heads can be divided; ringmaster's ring needs no division, but a flash kernel."""
    ranks, heads, pairs = ranks_per_row(case.cfg), case.model.shape.heads, case.model.shape.kv_heads
    if uses_ulysses(case.cfg):
        fits = heads % ranks == 0 and (pairs % ranks == 0 or ranks % pairs == 0)
    else:
        fits = pairs % ranks == 0 or (case.cfg.attn_implementation or "sdpa") != "sdpa"
    if not fits:
        what = f"{ranks} ranks cannot share the {heads} heads and {pairs} key-value heads of this model"
        yield ConfigFinding("error", "context_parallel_size", what, f"set it to a divisor of {pairs}")


def _attention(case: Case) -> Iterator[ConfigFinding]:
    kind = case.cfg.attn_implementation or "sdpa"
    if kind not in ULYSSES_ATTENTION and "/" not in kind:
        what = "is not supported by DeepSpeed's Ulysses attention"
        yield ConfigFinding("error", f"attn_implementation: {kind}", what, "set `attn_implementation: sdpa`")
    elif kind == "sdpa" and case.cfg.sample_packing:
        what = "DeepSpeed's Ulysses attention gives it no mask, so the examples of a packed row see each other"
        yield ConfigFinding("error", "attn_implementation: sdpa", what, "set `sample_packing: false`")
