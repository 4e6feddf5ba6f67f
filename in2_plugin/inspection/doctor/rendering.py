"""Check what a trainer sees: render a sample of examples and compare it token by token.

Cost: loading the tokenizer, and about 2 ms per 1K tokens of the sample.
"""

from pathlib import Path

from in2_plugin import layout
from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.dataset.plans import REBUILD_PLANS
from in2_plugin.dataset.reader import IN2Dataset, read_manifest
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import TokenizerError, TokenizerMismatch
from in2_plugin.inspection.plans import plan_equals_rendering
from in2_plugin.inspection.rendering import RenderingChecker
from in2_plugin.inspection.report import REBUILD_EXAMPLES, CheckReport, CheckSkipped

SAMPLE = 32
"""Examples to check."""


def check_rendering(folder: Path, report: CheckReport) -> str:
    """Check lengths, gold ranges, ids and the text under the mask in a sample of examples."""
    manifest = read_manifest(folder)
    try:
        tokenizer = load_tokenizer(manifest.tokenizer)
        dataset = IN2Dataset(folder, tokenizer)
        checker = RenderingChecker(dataset.renderer, tokenizer)
    except TokenizerMismatch as mismatch:
        what, _, remedy = str(mismatch).removeprefix(f"{folder}: ").rpartition("; ")
        report.error(layout.MANIFEST, what, remedy)
        return "the tokenizer alone"
    except TokenizerError as failure:
        raise CheckSkipped(f"the tokenizer is not available ({failure})") from None
    every = max(1, manifest.examples // SAMPLE)
    checked = 0
    for i, row in enumerate(read_rows(folder / layout.EXAMPLES)):
        if i % every == 0:
            checked += 1
            faults = (f"counts as one of the {name}{': ' if what else ''}{what}" for name, what in checker.faults(row))
            report.errors(f"examples.parquet, row {i}", faults, REBUILD_EXAMPLES)
            if not plan_equals_rendering(i, row, dataset.renderer, dataset.plans):
                report.error(f"plans, example {i}", "ids or labels differ from the rendered example", REBUILD_PLANS)
    return f"{checked} examples, token by token"
