"""Estimate the steps, tokens and time of a run from the summaries of its datasets.

Pure, except for the order of examples, which is drawn as the trainer draws it. Invariant: figures extrapolated from a
sample are weighted by the rows that it represents. Cost: 0.3 s per million examples.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from in2_plugin.preflight.costs import Gpu, Setup, seconds
from in2_plugin.preflight.dataset_summary import Counts, DatasetSummary
from in2_plugin.preflight.shape import Model
from in2_plugin.training.axolotl.args import options_of
from in2_plugin.training.axolotl.plugins import has_plugin
from in2_plugin.training.length_balance import Work, balanced_order, efficiency

MFU = 0.4
"""Share of a GPU's dense peak that a step reaches; 0.3 to 0.5 is usual with FlashAttention."""
DRAWN = 100_000
"""Most examples whose order is drawn to estimate how busy the ranks are."""
BLOCK = 64
"""Rows are padded to a multiple of this."""


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """Totals of a training run, and its averages per optimizer step."""

    examples: int
    """Training examples per epoch."""
    epochs: float
    steps: int
    rows_per_step: int
    tokens_per_step: float
    answer_tokens_per_step: float
    tokens: float
    """Tokens of the whole run."""
    efficiency: float
    """Share of the time that ranks compute examples, not padding, and do not wait for the slowest."""
    balanced: bool
    """True if the order is length-balanced."""
    mfu: float
    seconds: float
    """Time of the whole run."""

    def as_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def steps_of(rows: float, epochs: float, batch: int) -> int:
    """Return the optimizer steps of a run: each epoch ends with a step, as in transformers' Trainer."""
    return math.ceil(epochs * math.ceil(rows / batch))


def estimate_run(
    cfg: Any, model: Model, setup: Setup, gpu: Gpu, datasets: Sequence[DatasetSummary]
) -> RunEstimate | None:
    """Estimate the run; return None if the size of a dataset is unknown or there are no training rows."""
    known = [(one, trained) for one in datasets if (trained := one.trained) is not None]
    if len(known) < len(datasets) or not any(trained for _, trained in known):
        return None
    examples = _held_in(cfg, sum(trained for _, trained in known))
    means = [_weighted(known, "lengths"), _weighted(known, "answers")]
    per_row = max(1.0, cfg.sequence_len / means[0]) if cfg.sample_packing else 1.0
    epochs = float(cfg.num_epochs or 1)
    steps = steps_of(examples / per_row, epochs, setup.batch)
    if cfg.max_steps:
        steps = min(steps, int(cfg.max_steps)) if cfg.num_epochs else int(cfg.max_steps)
    lengths = representative(known)
    balanced = is_balanced(cfg, datasets)
    used = 1.0 if cfg.sample_packing else ranks_used(lengths, model, setup, balanced)
    in_step = setup.batch * per_row
    whole_steps = min(steps, examples / in_step * epochs)  # the last step of an epoch may have fewer examples
    one_pass = seconds(model.shape, lengths, setup, gpu, MFU, used)
    return RunEstimate(
        examples=round(examples),
        epochs=epochs,
        steps=steps,
        rows_per_step=setup.batch,
        tokens_per_step=in_step * means[0],
        answer_tokens_per_step=in_step * means[1],
        tokens=whole_steps * in_step * means[0],
        efficiency=used,
        balanced=balanced,
        mfu=MFU,
        seconds=one_pass / len(lengths) * in_step * whole_steps,
    )


def _held_in(cfg: Any, examples: float) -> float:
    share = float(cfg.val_set_size or 0)
    return max(0.0, examples - (share if share > 1 else share * examples))


def _weighted(known: Sequence[tuple[DatasetSummary, float]], name: str) -> float:
    """Return the mean of a column over all training rows."""
    sums = sum(float(getattr(one, name).mean()) * trained for one, trained in known if len(one.lengths))
    return sums / sum(trained for _, trained in known)


def representative(known: Sequence[tuple[DatasetSummary, float]]) -> Counts:
    """Return (n,) lengths, n at most DRAWN, with each dataset in proportion to its training rows."""
    total = sum(trained for _, trained in known)
    n = min(DRAWN, max(len(one.lengths) for one, _ in known) * len(known), max(1, round(total)))
    rng = np.random.default_rng(0)
    parts = []
    for one, trained in known:
        wanted = round(n * trained / total)
        if wanted and len(one.lengths):
            parts.append(rng.choice(one.lengths, wanted, replace=wanted > len(one.lengths)))
    return rng.permutation(np.concatenate(parts)) if parts else known[0][0].lengths[:1]


def is_balanced(cfg: Any, datasets: Sequence[DatasetSummary]) -> bool:
    """Return True if our trainer balances lengths, which requires lazy loading."""
    from in2_plugin.training.axolotl.data import eager_reason

    if not has_plugin(cfg) or cfg.sample_packing or not all(one.is_in2 for one in datasets):
        return False
    options = options_of(cfg)
    return options.length_balanced and options.lazy is not False and eager_reason(cfg) is None


def ranks_used(lengths: Counts, model: Model, setup: Setup, balanced: bool) -> float:
    """Return the share of the time that ranks compute examples, in the order that the trainer uses."""
    ranks, micro_batch = setup.replicas, setup.micro_batch
    if balanced:
        order = balanced_order(lengths, ranks=ranks, micro_batch=micro_batch, seed=0, epoch=0)
    else:
        order = np.random.default_rng(0).permutation(len(lengths))
    work = Work(model.shape.active, model.shape.layers, model.shape.attention_width)
    return efficiency(lengths, order, ranks=ranks, micro_batch=micro_batch, work=work)


def row_length(cfg: Any, datasets: Sequence[DatasetSummary]) -> int:
    """Return the tokens of the trainer's longest row, padding included."""
    longest = max((int(one.lengths.max(initial=0)) for one in datasets), default=0)
    if cfg.sample_packing or cfg.pad_to_sequence_len or not longest:
        return int(cfg.sequence_len or longest)
    padded = -(-longest // BLOCK) * BLOCK
    return min(padded, cfg.sequence_len) if cfg.sequence_len and cfg.sequence_len >= longest else padded


def most_answers(cfg: Any, datasets: Sequence[DatasetSummary], row: int) -> int:
    """Return the largest number of supervised tokens in a row; a packed row may hold several long answers."""
    most = max((int(one.answers.max(initial=0)) for one in datasets), default=0)
    if not cfg.sample_packing:
        return most
    shares = [one.answers / np.maximum(one.lengths, 1) for one in datasets if len(one.lengths)]
    return max(most, math.ceil(row * max((float(share.max()) for share in shares), default=0)))
