"""Figures of what a trainer will see: sampled examples put together, and read back from their token ids.

Invariant: nothing that the renderer says of itself is trusted. The text under the mask is decoded from labels, the ids
are compared with those of the text, and the text with what the model's own chat template makes of the messages.
Cost: about 1.2 ms per 1K tokens.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.dataset.reader import turns_of
from in2_plugin.examples.rendering import IGNORED, Rendered, Renderer, gold_spans
from in2_plugin.inspection.audit.columns import REPAIR
from in2_plugin.inspection.figures import Faults, Figure

Row = Mapping[str, Any]
LENGTH, GOLD, MASK, IDS, CHAT = (
    "sampled examples of another length than planned", "sampled golds elsewhere than planned",
    "sampled masks that are not the answers", "sampled examples with other ids than their text",
    "sampled examples unlike the chat template",
)  # fmt: skip
ADVICE = {
    LENGTH: f"segments were cut or the template changed after the build; {REPAIR}",
    GOLD: REPAIR,
    MASK: f"loss would fall on other tokens; {REPAIR}",
    IDS: f"joining stored ids does not give the ids of the text; {REPAIR}",
    CHAT: "the chat template alters or dates what it shows; set `template: film` or repair the chat template",
}


def rendering_figures(
    sample: Sequence[tuple[int, Row]], renderer: Renderer, tokenizer: ModelTokenizer
) -> Iterator[Figure]:
    """Render sampled rows, given with their numbers, and hold them against their plans and texts."""
    faults = {name: Faults() for name in ADVICE if name != CHAT or renderer.template.kind == "chat"}
    reader = Reader(renderer, tokenizer)
    for number, row in sample:
        for name, what in reader.faults(row):
            faults[name].add(number, what)
    for name, found in faults.items():
        yield found.figure(name, f"{len(sample):,} examples", ADVICE[name])


class Reader:
    """Reads rendered examples token by token."""

    def __init__(self, renderer: Renderer, tokenizer: ModelTokenizer) -> None:
        self._renderer, self._tokenizer = renderer, tokenizer

    def faults(self, row: Row) -> Iterator[tuple[str, str]]:
        """(figure, what is wrong) of one example."""
        said = row["segment_ids"], turns_of(row)
        rendered, text = self._renderer.render(*said), self._renderer.text(*said)
        planned = [turn["n_answer_tokens"] for turn in row["turns"]]
        lengths = [stop - start for start, stop in rendered.answers]
        if len(rendered.input_ids) != row["n_tokens"]:
            yield LENGTH, f"{len(rendered.input_ids):,} tokens, planned with {row['n_tokens']:,}"
        if lengths != planned:
            yield MASK, f"{lengths} answer tokens, planned with {planned}"
        for turn in row["turns"]:
            spans = gold_spans(rendered, row["segment_ids"], [span["segment_id"] for span in turn["gold"]])
            if [(s.start, s.stop) for s in spans] != [(s["start"], s["stop"]) for s in turn["gold"]]:
                yield GOLD, f"gold of {turn['question'][:60]!r}"
                break
        yield from ((MASK, what) for what in self._faults_of_mask(row, rendered))
        if rendered.input_ids.tolist() != self._tokenizer.ids([text])[0]:
            yield IDS, ""
        if self._renderer.template.kind == "chat":
            own = self._tokenizer.render_chat(self._renderer.messages(*said))
            if own != text:
                yield CHAT, ""

    def _faults_of_mask(self, row: Row, rendered: Rendered) -> Iterator[str]:
        """At most one: the supervised runs are the answers, each with its lead and the end of its turn."""
        found = runs(rendered.labels)
        turns = turns_of(row)
        frame = self._renderer.template.frame(len(turns), len(row["segment_ids"]) > 0)
        if len(found) != len(turns):
            yield f"{len(found)} supervised stretches for {len(turns)} answers"
            return
        for (start, stop), (_, answer), texts in zip(found, turns, frame.turns, strict=True):
            ids = rendered.input_ids[start:stop].tolist()
            expected = f"{texts.lead}{answer}{texts.end}"
            if self._read(ids) != self._read(self._tokenizer.ids([expected])[0]):
                yield f"{self._tokenizer.decode(ids)[-80:]!r} is supervised instead of {expected[-80:]!r}"
                return
            if self._tokenizer.decode(ids[-1:]).strip() not in self._tokenizer.special_tokens:
                yield f"{answer[-60:]!r} has no end-of-turn token behind it"
                return

    def _read(self, ids: list[int]) -> str:
        # white space depends on what stands before it
        return "".join(self._tokenizer.decode(ids).split())


def runs(labels: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Stretches [start, stop) of labels with loss."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], labels != IGNORED, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
