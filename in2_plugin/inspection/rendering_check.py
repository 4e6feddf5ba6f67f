"""The check of what a trainer will see: a sample of examples, put together and looked at token by token.

Cost: loading the tokenizer, and about 2 ms per 1K tokens of the sample.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from in2_plugin.contexts.dataset import IN2Dataset, read_manifest
from in2_plugin.contexts.rendering import Renderer, gold_spans
from in2_plugin.contexts.tables import read_rows
from in2_plugin.contexts.template import make_template
from in2_plugin.corpus.tokenizer import ModelTokenizer, load_tokenizer
from in2_plugin.errors import TokenizerError
from in2_plugin.inspection.example_checks import ADVICE
from in2_plugin.inspection.finding import LeftOut, Report

SAMPLE = 32
"""Examples that are looked at."""


class Reading:
    """A dataset with its tokenizer, to compare what a trainer gets with what it should get."""

    def __init__(self, folder: Path) -> None:
        """Open a finished dataset.

        Raises:
            LeftOut: its tokenizer cannot be had here.
        """
        self.manifest = read_manifest(folder)
        try:
            self._tokenizer: ModelTokenizer = load_tokenizer(str(self.manifest.tokenizer))
            dataset = IN2Dataset(folder, self._tokenizer)
        except TokenizerError as failure:
            raise LeftOut(f"its tokenizer cannot be had here ({failure})") from None
        self._template = make_template(self.manifest.template, self._tokenizer)
        self._renderer = Renderer(dataset.store, self._tokenizer, self._template)

    def faults(self, row: Mapping[str, Any]) -> Iterator[str]:
        """What is wrong with one example."""
        said = row["segment_ids"], row["question"], row["answer"]
        rendered = self._renderer.render(*said)
        start, stop = rendered.answer
        if (len(rendered.input_ids), stop - start) != (row["n_tokens"], row["n_answer_tokens"]):
            yield f"has {len(rendered.input_ids)} tokens, {stop - start} of them answer, and was planned with others"
            return
        spans = gold_spans(rendered, row["segment_ids"], [span["segment_id"] for span in row["gold"]])
        if [(s.start, s.stop) for s in spans] != [(s["start"], s["stop"]) for s in row["gold"]]:
            yield "has its gold elsewhere than its plan says"
        if rendered.input_ids.tolist() != self._tokenizer.ids([self._renderer.text(*said)])[0]:
            yield "has other ids than its text"
        if self._read(rendered.input_ids[start:stop].tolist()) != self._read(self._expected(row["answer"])):
            yield "has other text under its mask than the answer and the end of the turn"

    def _expected(self, answer: str) -> list[int]:
        return self._tokenizer.ids([f"{self._template.lead}{answer}{self._template.end}"])[0]

    def _read(self, ids: list[int]) -> str:
        # white space depends on what stands before it
        return "".join(self._tokenizer.decode(ids).split())


def rendering(folder: Path, report: Report) -> str:
    """A sample of examples: lengths, gold ranges, ids, and the text under the mask."""
    reading = Reading(folder)
    every = max(1, reading.manifest.examples // SAMPLE)
    looked = 0
    for i, row in enumerate(read_rows(folder / "examples.parquet")):
        if i % every == 0:
            looked += 1
            report.wrong_at(f"examples.parquet, row {i}", reading.faults(row), ADVICE)
    return f"{looked} examples, token by token"
