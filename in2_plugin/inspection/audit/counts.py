"""Figures of counts: the mixture, answers, and faults that no single row of a good dataset has.

Invariant: a figure with bound zero names the first faulty row.
"""

from collections.abc import Iterator

import numpy as np

from in2_plugin.config import PARTS, BuildConfig
from in2_plugin.inspection.audit.columns import REPAIR
from in2_plugin.inspection.audit.tally import Tally
from in2_plugin.inspection.figures import Figure

QUESTIONS_AGAIN = (
    "remove questions.parquet, instructions.parquet, examples.parquet and manifest.json and run `in2 build` again; "
    "answers come from the work log"
)


def count_figures(found: Tally, config: BuildConfig) -> Iterator[Figure]:
    """Everything that is counted over all rows."""
    yield from _row_figures(found, config)
    yield from _mixture(found, config)
    yield from _answers(found, config)


def _row_figures(found: Tally, config: BuildConfig) -> Iterator[Figure]:
    faults, all_rows = found.faults, f"{found.examples:,} examples"
    lengths = f"lengths {config.lengths.min:,} to {config.lengths.max:,}"
    recut = "examples.parquet and segments/ are not of one build"
    yield faults["unknown segment"].figure("examples with unknown segments", all_rows, f"{recut}; {REPAIR}")
    yield faults["outside lengths"].figure("examples outside lengths", f"{all_rows}, {lengths}", REPAIR)
    yield faults["unknown part"].figure("examples of an unknown part", all_rows, REPAIR)
    yield faults["no turn"].figure("examples without a turn", all_rows, REPAIR)
    yield faults["counts"].figure(
        "examples whose token counts disagree", all_rows, f"answer tokens are not those of the turns; {REPAIR}"
    )
    yield faults["gold elsewhere"].figure(
        "examples without their gold", all_rows, f"the context lacks a gold segment, so it was cut; {REPAIR}"
    )
    yield faults["segment twice"].figure("examples with a segment twice", all_rows, REPAIR)
    yield faults["own document"].figure(
        "examples with a filler of their own document", all_rows, f"it may answer the question as well; {REPAIR}"
    )
    yield faults["left out"].figure(
        "examples with segments that were left out", all_rows,
        f"screening or the tokenizer ruled them out (segments/exclusions.parquet); {REPAIR}",
    )  # fmt: skip
    yield faults["question twice"].figure("questions asked twice", all_rows, QUESTIONS_AGAIN)
    yield faults["empty answer"].figure("empty answers", all_rows, QUESTIONS_AGAIN)


def _mixture(found: Tally, config: BuildConfig) -> Iterator[Figure]:
    """Shares of the parts; and, where nothing may be missing, their sum."""
    asked, have = config.mixture.counts(), found.parts
    wanted, total = sum(asked.values()), have.total()
    # a mixture made smaller is rounded down part by part
    bound = config.audit.mixture_error + (len(PARTS) / max(total, 1) if total < wanted else 0)
    for part in PARTS:
        if asked[part] or have[part]:
            share, meant = have[part] / max(total, 1), asked[part] / wanted
            yield Figure.at_most(
                f"mixture, {part.replace('_', '-')}", abs(share - meant), bound,
                f"{have[part]:,} of {total:,}, {share:.1%} where `mixture` asks for {meant:.1%}",
                f"rows were lost or added after the build; {REPAIR}",
            )  # fmt: skip
    if config.mixture.shortfall == "error":
        yield Figure.at_least(
            "mixture, in all", total, wanted, f"questions and conversations; `mixture` asks for {wanted:,}",
            f"rows were lost after the build; {REPAIR}",
        )  # fmt: skip


def _answers(found: Tally, config: BuildConfig) -> Iterator[Figure]:
    tokens = np.concatenate([*found.answer_tokens, np.zeros(0, np.uint32)])
    if not len(tokens):
        return
    fewest, most = config.audit.answer_tokens
    detail = f"tokens, end of turn included; the median of {len(tokens):,} answers has {np.median(tokens):,.0f}"
    advice = "look at report.html and questions.parquet, or set `audit.answer_tokens` when such answers are meant"
    yield Figure.at_least("shortest answer", int(tokens.min()), fewest, detail, advice)
    yield Figure.at_most("longest answer", int(tokens.max()), most, detail, advice)
