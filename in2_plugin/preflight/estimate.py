"""Steps, tokens and time of a run, from the rows that were looked at.

Pure but for the order, which is drawn as the trainer draws it. Invariant: what is extrapolated from a sample is
weighted by the rows that it stands for. Cost: 0.3 s a million examples.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from in2_plugin.preflight.costs import Gpu, Setup, seconds
from in2_plugin.preflight.dataset_summary import Counts, DatasetSummary
from in2_plugin.preflight.training_setup import has_plugin
from in2_plugin.preflight.shape import Model
from in2_plugin.training.axolotl.args import options_of
from in2_plugin.training.length_balance import Work, balanced_order, efficiency

MFU = 0.4
"""Share of a GPU's dense peak that a step reaches; 0.3 to 0.5 is usual with FlashAttention."""
DRAWN = 100_000
"""Examples of which the order is drawn to learn how well the ranks are used."""
BLOCK = 64
"""Rows are padded to a multiple of it."""


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """What a training run comes to. Figures are of one optimizer step where nothing else is said."""

    examples: int
    """Examples that an epoch trains on."""
    epochs: float
    steps: int
    rows_per_step: int
    tokens_per_step: float
    answer_tokens_per_step: float
    tokens: float
    """Of the whole run."""
    efficiency: float
    """Share of the time that ranks work, and do not wait for the slowest or compute padding."""
    balanced: bool
    """Whether the order is length-balanced."""
    mfu: float
    seconds: float
    """Of the whole run."""

    def as_json(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)


def estimate_run(cfg: Any, model: Model, setup: Setup, gpu: Gpu, facts: Sequence[DatasetSummary]) -> RunEstimate | None:
    """What the run comes to; None when the size of some dataset is not known, or nothing is trained on."""
    known = [(one, trained) for one in facts if (trained := one.trained) is not None]
    if len(known) < len(facts) or not any(trained for _, trained in known):
        return None
    examples = _held_in(cfg, sum(trained for _, trained in known))
    means = [_weighted(known, "lengths"), _weighted(known, "answers")]
    per_row = max(1.0, cfg.sequence_len / means[0]) if cfg.sample_packing else 1.0
    epochs = float(cfg.num_epochs or 1)
    steps = math.ceil(examples / per_row * epochs / setup.batch)
    if cfg.max_steps:
        steps = min(steps, int(cfg.max_steps)) if cfg.num_epochs else int(cfg.max_steps)
    lengths = representative(known)
    balanced = is_balanced(cfg, facts)
    used = 1.0 if cfg.sample_packing else ranks_used(lengths, model, setup, balanced)
    in_step = setup.batch * per_row
    one_pass = seconds(model.shape, lengths, setup, gpu, MFU, used)
    return RunEstimate(
        examples=round(examples),
        epochs=epochs,
        steps=steps,
        rows_per_step=setup.batch,
        tokens_per_step=in_step * means[0],
        answer_tokens_per_step=in_step * means[1],
        tokens=steps * in_step * means[0],
        efficiency=used,
        balanced=balanced,
        mfu=MFU,
        seconds=one_pass / len(lengths) * in_step * steps,
    )


def _held_in(cfg: Any, examples: float) -> float:
    share = float(cfg.val_set_size or 0)
    return max(0.0, examples - (share if share > 1 else share * examples))


def _weighted(known: Sequence[tuple[DatasetSummary, float]], name: str) -> float:
    """Mean over all rows that are trained on."""
    sums = sum(float(getattr(one, name).mean()) * trained for one, trained in known if len(one.lengths))
    return sums / sum(trained for _, trained in known)


def representative(known: Sequence[tuple[DatasetSummary, float]]) -> Counts:
    """(n,) lengths, n at most DRAWN, in which each dataset has the share that it has of the rows trained on."""
    total = sum(trained for _, trained in known)
    n = min(DRAWN, max(len(one.lengths) for one, _ in known) * len(known), max(1, round(total)))
    rng = np.random.default_rng(0)
    parts = []
    for one, trained in known:
        wanted = round(n * trained / total)
        if wanted and len(one.lengths):
            parts.append(rng.choice(one.lengths, wanted, replace=wanted > len(one.lengths)))
    return rng.permutation(np.concatenate(parts)) if parts else known[0][0].lengths[:1]


def is_balanced(cfg: Any, facts: Sequence[DatasetSummary]) -> bool:
    """Whether our trainer orders the examples by length: it has to read them lazily."""
    from in2_plugin.training.axolotl.data import why_prepared

    if not has_plugin(cfg) or cfg.sample_packing or not all(one.is_in2 for one in facts):
        return False
    options = options_of(cfg)
    return options.length_balanced and options.lazy is not False and why_prepared(cfg) is None


def ranks_used(lengths: Counts, model: Model, setup: Setup, balanced: bool) -> float:
    """Share of the time that ranks work, in the order that the trainer takes."""
    ranks, micro_batch = setup.replicas, setup.micro_batch
    if balanced:
        order = balanced_order(lengths, ranks=ranks, micro_batch=micro_batch, seed=0, epoch=0)
    else:
        order = np.random.default_rng(0).permutation(len(lengths))
    work = Work(model.shape.active, model.shape.layers, model.shape.attention_width)
    return efficiency(lengths, order, ranks=ranks, micro_batch=micro_batch, work=work)


def row_length(cfg: Any, facts: Sequence[DatasetSummary]) -> int:
    """Tokens of the longest row that the trainer makes, padding included."""
    longest = max((int(one.lengths.max(initial=0)) for one in facts), default=0)
    if cfg.sample_packing or cfg.pad_to_sequence_len or not longest:
        return int(cfg.sequence_len or longest)
    padded = -(-longest // BLOCK) * BLOCK
    return min(padded, cfg.sequence_len) if cfg.sequence_len and cfg.sequence_len >= longest else padded


def most_answers(cfg: Any, facts: Sequence[DatasetSummary], row: int) -> int:
    """Supervised tokens of a row, at most; of a packed row, when examples rich in answers meet in it."""
    most = max((int(one.answers.max(initial=0)) for one in facts), default=0)
    if not cfg.sample_packing:
        return most
    shares = [one.answers / np.maximum(one.lengths, 1) for one in facts if len(one.lengths)]
    return max(most, math.ceil(row * max((float(share.max()) for share in shares), default=0)))
