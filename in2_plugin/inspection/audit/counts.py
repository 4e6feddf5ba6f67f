"""Compute figures from counts: the mixture, answer lengths, and faults that no row of a valid dataset has.

Invariant: a figure with bound zero names the first faulty row.
"""

from collections.abc import Iterator

import numpy as np

from in2_plugin.config import BuildConfig, Lengths, Mixture
from in2_plugin.inspection.audit.tally import Tally
from in2_plugin.inspection.figures import Figure
from in2_plugin.inspection.report import REBUILD_EXAMPLES, REBUILD_QUESTIONS


def count_figures(found: Tally, config: BuildConfig) -> Iterator[Figure]:
    """Yield the figures that are counted over all rows."""
    yield from _row_figures(found, config.lengths)
    yield from _mixture(found, config.mixture, config.audit.mixture_error)
    yield from _answers(found, config.audit.answer_tokens)


def _row_figures(found: Tally, bounds: Lengths) -> Iterator[Figure]:
    faults, all_rows = found.faults, f"{found.examples:,} examples"
    lengths = f"lengths {bounds.min:,} to {bounds.max:,}"
    mixed_up = "examples.parquet and segments/ come from different builds"
    yield faults["unknown segment"].figure(
        "examples with unknown segments", all_rows, f"{mixed_up}; {REBUILD_EXAMPLES}"
    )
    yield faults["outside lengths"].figure("examples outside lengths", f"{all_rows}, {lengths}", REBUILD_EXAMPLES)
    yield faults["unknown part"].figure("examples of an unknown part", all_rows, REBUILD_EXAMPLES)
    yield faults["no turn"].figure("examples without a turn", all_rows, REBUILD_EXAMPLES)
    yield faults["counts"].figure(
        "examples whose token counts disagree",
        all_rows,
        f"answer tokens differ from the sum of the turns; {REBUILD_EXAMPLES}",
    )
    yield faults["gold elsewhere"].figure(
        "examples without their gold",
        all_rows,
        f"the context lacks a gold segment, so it was truncated; {REBUILD_EXAMPLES}",
    )
    yield faults["gold misplaced"].figure(
        "examples with a gold outside `positions`",
        all_rows,
        "the context has too few places at the depths of `positions`, segments were moved, or the dataset was built by "
        f"an earlier version, in which a gold could overlap a range by a part of itself; {REBUILD_EXAMPLES}",
    )
    yield faults["segment twice"].figure("examples with a segment twice", all_rows, REBUILD_EXAMPLES)
    yield faults["own document"].figure(
        "examples with a filler of their own document",
        all_rows,
        f"such a filler may also answer the question; {REBUILD_EXAMPLES}",
    )
    yield faults["left out"].figure(
        "examples with segments that were left out", all_rows,
        f"screening or the tokenizer excludes them (segments/exclusions.parquet); {REBUILD_EXAMPLES}",
    )  # fmt: skip
    yield faults["question twice"].figure("questions asked twice", all_rows, REBUILD_QUESTIONS)
    yield faults["empty answer"].figure("empty answers", all_rows, REBUILD_QUESTIONS)


def _mixture(found: Tally, mixture: Mixture, tolerance: float) -> Iterator[Figure]:
    """Yield figures for the share of each part and, unless `shortfall: rescale`, for their sum."""
    asked, have = mixture.counts(), found.parts
    wanted, total = sum(asked.values()), have.total()
    # a scaled-down mixture is rounded down per part
    bound = tolerance + (len(mixture.parts) / max(total, 1) if total < wanted else 0)
    for part in mixture.parts:
        if asked[part] or have[part]:
            share, meant = have[part] / max(total, 1), asked[part] / wanted
            yield Figure.at_most(
                f"mixture, {part.replace('_', '-')}", abs(share - meant), bound,
                f"{have[part]:,} of {total:,}, {share:.1%}; `mixture` sets {meant:.1%}",
                f"rows were lost or added after the build; {REBUILD_EXAMPLES}",
            )  # fmt: skip
    if mixture.shortfall == "error":
        yield Figure.at_least(
            "mixture, in all", total, wanted, f"questions and conversations; `mixture` sets {wanted:,}",
            f"rows were lost after the build; {REBUILD_EXAMPLES}",
        )  # fmt: skip


def _answers(found: Tally, bounds: tuple[int, int]) -> Iterator[Figure]:
    tokens = np.concatenate([*found.answer_tokens, np.zeros(0, np.uint32)])
    if not len(tokens):
        return
    fewest, most = bounds
    detail = f"tokens, end of turn included; the median of {len(tokens):,} answers is {np.median(tokens):,.0f}"
    advice = "check report.html and questions.parquet, or set `audit.answer_tokens` if such answers are intended"
    yield Figure.at_least("shortest answer", int(tokens.min()), fewest, detail, advice)
    yield Figure.at_most("longest answer", int(tokens.max()), most, detail, advice)
