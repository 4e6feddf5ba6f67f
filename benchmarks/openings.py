"""Count the tokens of answers and of their openings in a dataset, and measure the time to find openings.

    in2 build build.yml && python benchmarks/openings.py data/in2

The counts are those of `plans/`, for answers about one place of the context. The times are milliseconds of processor
time per example in the plan stage, for the longest examples: to render one, to read the texts of its segments, and to
make its plan, which reads these texts and finds the openings.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measured import heading, tabulate

from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.dataset.plans import Plans, plan_of
from in2_plugin.dataset.reader import IN2Dataset, read_manifest, turns_of
from in2_plugin.examples.template import Template

TIMED = 40
"""Examples that are planned again."""
RUNS = 5
"""Times that each step runs; the table has the median."""


def print_counts(plans: Plans) -> None:
    """Print the tokens of answers and of openings."""
    found = [(plans.answers(i), plans.openings(i)) for i in range(len(plans))]
    answers, openings = (np.concatenate(each) for each in zip(*found, strict=True))
    one_place = ~np.isnan(answers["depth"])
    lengths, openings = (answers["stop"] - answers["start"])[one_place], openings[one_place]
    row = tabulate("answers | tokens of an answer, quartiles | of its opening, quartiles | 2 to 4 | at most 6")
    shares = (np.mean((openings >= 2) & (openings <= 4)), np.mean(openings <= 6))
    row(f"{len(lengths):,}", _quartiles(lengths), _quartiles(openings), *(f"{share:.0%}" for share in shares))


def _quartiles(values: Any) -> str:
    return ", ".join(f"{value:g}" for value in np.percentile(values, [25, 50, 75]))


def print_times(dataset: IN2Dataset, template: Template) -> None:
    """Print the times of the longest examples."""
    longest = set(np.argsort(dataset.plans.n_tokens)[-TIMED:].tolist())
    rows = [row for number, row in enumerate(dataset.rows()) if number in longest]
    planned = [(row, dataset.render(row), template.frame(len(row["turns"]), True), turns_of(row)) for row in rows]
    steps: list[Callable[[], object]] = [
        lambda: [dataset.render(row) for row in rows],
        lambda: [dataset.store.texts(row["segment_ids"]) for row in rows],
        lambda: [plan_of(*each, dataset.store) for each in planned],
    ]
    tokens, turns, segments = (
        float(np.mean([count(row) for row in rows]))
        for count in (lambda row: row["n_tokens"], lambda row: len(row["turns"]), lambda row: len(row["segment_ids"]))
    )
    row = tabulate("tokens | answers | segments | ms to render | ms to read the texts | ms to make the plan")
    row(
        f"{tokens:,.0f}",
        f"{turns:.1f}",
        f"{segments:.0f}",
        *(f"{_seconds(step) / len(rows) * 1e3:.2f}" for step in steps),
    )


def _seconds(step: Callable[[], object]) -> float:
    """Return the processor seconds that a step takes."""
    spent = []
    for _ in range(RUNS):
        begun = time.process_time()
        step()
        spent.append(time.process_time() - begun)
    return float(np.median(spent))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    folder: Path = parser.parse_args().dataset
    manifest = read_manifest(folder)
    tokenizer = load_tokenizer(manifest.tokenizer)
    dataset = IN2Dataset(folder, tokenizer)
    print(heading())
    print_counts(dataset.plans)
    print_times(dataset, Template(manifest.template, tokenizer))


if __name__ == "__main__":
    main()
