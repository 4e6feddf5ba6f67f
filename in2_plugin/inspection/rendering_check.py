"""The check of what a trainer will see: a sample of examples, put together and looked at token by token.

Cost: loading the tokenizer, and about 2 ms per 1K tokens of the sample.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from in2_plugin.contexts.dataset import IN2Dataset, read_manifest, turns_of
from in2_plugin.contexts.rendering import gold_spans
from in2_plugin.contexts.tables import read_rows
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
            self._renderer = IN2Dataset(folder, self._tokenizer).renderer
        except TokenizerError as failure:
            raise LeftOut(f"its tokenizer cannot be had here ({failure})") from None

    def faults(self, row: Mapping[str, Any]) -> Iterator[str]:
        """What is wrong with one example."""
        turns = turns_of(row)
        rendered = self._renderer.render(row["segment_ids"], turns)
        planned = [turn["n_answer_tokens"] for turn in row["turns"]]
        lengths = [stop - start for start, stop in rendered.answers]
        if (len(rendered.input_ids), lengths) != (row["n_tokens"], planned):
            yield f"has {len(rendered.input_ids)} tokens, {sum(lengths)} of them answers, and was planned with others"
            return
        for turn in row["turns"]:
            spans = gold_spans(rendered, row["segment_ids"], [span["segment_id"] for span in turn["gold"]])
            if [(s.start, s.stop) for s in spans] != [(s["start"], s["stop"]) for s in turn["gold"]]:
                yield "has its gold elsewhere than its plan says"
        if rendered.input_ids.tolist() != self._tokenizer.ids([self._renderer.text(row["segment_ids"], turns)])[0]:
            yield "has other ids than its text"
        frame = self._renderer.template.frame(len(turns), len(row["segment_ids"]) > 0)
        for (start, stop), (_, answer), texts in zip(rendered.answers, turns, frame.turns, strict=True):
            expected = self._tokenizer.ids([f"{texts.lead}{answer}{texts.end}"])[0]
            if self._read(rendered.input_ids[start:stop].tolist()) != self._read(expected):
                yield "has other text under its mask than the answer and the end of the turn"

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
