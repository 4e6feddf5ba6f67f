"""The check of what a trainer will see: a sample of examples, put together and looked at token by token.

Cost: loading the tokenizer, and about 2 ms per 1K tokens of the sample.
"""

from pathlib import Path

from in2_plugin import layout
from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.dataset.plans import AGAIN
from in2_plugin.dataset.reader import IN2Dataset, read_manifest
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import TokenizerError
from in2_plugin.inspection.doctor.examples import ADVICE
from in2_plugin.inspection.plans import same_for_trainers
from in2_plugin.inspection.rendering import Reader
from in2_plugin.inspection.report import LeftOut, Report

SAMPLE = 32
"""Examples that are looked at."""


def rendering(folder: Path, report: Report) -> str:
    """A sample of examples: lengths, gold ranges, ids, and the text under the mask."""
    manifest = read_manifest(folder)
    try:
        tokenizer = load_tokenizer(manifest.tokenizer)
        dataset = IN2Dataset(folder, tokenizer)
        reader = Reader(dataset.renderer, tokenizer)
    except TokenizerError as failure:
        raise LeftOut(f"its tokenizer cannot be had here ({failure})") from None
    every = max(1, manifest.examples // SAMPLE)
    looked = 0
    for i, row in enumerate(read_rows(folder / layout.EXAMPLES)):
        if i % every == 0:
            looked += 1
            faults = (f"is one of the {name}{': ' if what else ''}{what}" for name, what in reader.faults(row))
            report.wrong_at(f"examples.parquet, row {i}", faults, ADVICE)
            if not same_for_trainers(i, row, dataset.renderer, dataset.plans):
                report.wrong(f"plans, example {i}", "gives trainers other ids or labels than its example has", AGAIN)
    return f"{looked} examples, token by token"
