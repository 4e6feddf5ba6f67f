"""Measure what a trainer sees: render sampled examples and decode them from their token ids.

Invariant: no information from the renderer is trusted. The text under the mask is decoded from the labels, the ids are
compared with those of the text, and the text with the output of the model's own chat template. Cost: about 1.2 ms per
1K tokens.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from in2_plugin.corpus.tokenizer import MOST_UNKNOWN, ModelTokenizer
from in2_plugin.dataset.reader import turns_of
from in2_plugin.examples.rendering import IGNORED, Rendered, Renderer, gold_spans
from in2_plugin.inspection.figures import Faults, Figure
from in2_plugin.inspection.report import REBUILD_EXAMPLES

Row = Mapping[str, Any]
LENGTH, GOLD, MASK, UNKNOWN, IDS, CHAT = (
    "sampled examples of another length than planned", "sampled golds elsewhere than planned",
    "sampled masks that are not the answers", "sampled examples with unknown tokens",
    "sampled examples with other ids than their text", "sampled examples unlike the chat template",
)  # fmt: skip
ADVICE = {
    LENGTH: f"segments were removed or the template changed after the build; {REBUILD_EXAMPLES}",
    GOLD: REBUILD_EXAMPLES,
    MASK: f"the loss would cover other tokens; {REBUILD_EXAMPLES}",
    UNKNOWN: "the tokenizer cannot spell the text; use one with byte fallback, or clean the corpus",
    IDS: f"concatenated stored ids differ from the ids of the text; {REBUILD_EXAMPLES}",
    CHAT: "the chat template alters texts or inserts a date; set `template: film` or fix the chat template",
}


def rendering_figures(
    sample: Sequence[tuple[int, Row]], renderer: Renderer, tokenizer: ModelTokenizer
) -> Iterator[Figure]:
    """Yield figures that compare sampled rows, given with their numbers, with their rendering."""
    faults = {name: Faults() for name in ADVICE if name != CHAT or renderer.template.kind == "chat"}
    checker = RenderingChecker(renderer, tokenizer)
    for number, row in sample:
        for name, what in checker.faults(row):
            faults[name].add(number, what)
    for name, found in faults.items():
        yield found.figure(name, f"{len(sample):,} examples", ADVICE[name])


class RenderingChecker:
    """Checks rendered examples token by token."""

    def __init__(self, renderer: Renderer, tokenizer: ModelTokenizer) -> None:
        self._renderer, self._tokenizer = renderer, tokenizer

    def faults(self, row: Row) -> Iterator[tuple[str, str]]:
        """Yield (figure name, description) for each fault of one example."""
        segment_ids, turns = row["segment_ids"], turns_of(row)
        rendered, text = self._renderer.render(segment_ids, turns), self._renderer.text(segment_ids, turns)
        planned = [turn["n_answer_tokens"] for turn in row["turns"]]
        lengths = [stop - start for start, stop in rendered.answers]
        if len(rendered.input_ids) != row["n_tokens"]:
            yield LENGTH, f"{len(rendered.input_ids):,} tokens, planned with {row['n_tokens']:,}"
        if lengths != planned:
            yield MASK, f"{lengths} answer tokens, planned with {planned}"
        for turn in row["turns"]:
            spans = gold_spans(rendered, segment_ids, [span["segment_id"] for span in turn["gold"]])
            if [(s.start, s.stop) for s in spans] != [(s["start"], s["stop"]) for s in turn["gold"]]:
                yield GOLD, f"gold of {turn['question'][:60]!r}"
                break
        if (fault := self._mask_fault(row, rendered)) is not None:
            yield MASK, fault
        if (fault := self._unknown_fault(row, rendered)) is not None:
            yield UNKNOWN, fault
        if rendered.input_ids.tolist() != self._tokenizer.ids([text])[0]:
            yield IDS, ""
        if self._renderer.template.kind == "chat":
            own = self._tokenizer.render_chat(self._renderer.messages(segment_ids, turns))
            if own != text:
                yield CHAT, ""

    def _mask_fault(self, row: Row, rendered: Rendered) -> str | None:
        """Return the first fault of the mask: supervised runs must be the answers, each with lead and end of turn."""
        found = runs(rendered.labels)
        turns = turns_of(row)
        frame = self._renderer.template.frame(len(turns), len(row["segment_ids"]) > 0)
        if len(found) != len(turns):
            return f"{len(found)} supervised runs for {len(turns)} answers"
        for (start, stop), (_, answer), texts in zip(found, turns, frame.turns, strict=True):
            ids = rendered.input_ids[start:stop].tolist()
            expected = f"{texts.lead}{answer}{texts.end}"
            if self._read(ids) != self._read(self._tokenizer.ids([expected])[0]):
                return f"{self._tokenizer.decode(ids)[-80:]!r} is supervised instead of {expected[-80:]!r}"
            if self._tokenizer.decode(ids[-1:]).strip() not in self._tokenizer.special_tokens:
                return f"{answer[-60:]!r} has no end-of-turn token after it"
        return None

    def _unknown_fault(self, row: Row, rendered: Rendered) -> str | None:
        """Return the first answer that the tokenizer cannot spell, or a share of unknown tokens that is too large."""
        for _, answer in turns_of(row):
            if not self._tokenizer.can_spell(answer):
                return f"the tokenizer has no token for some characters of the answer {answer[:60]!r}"
        share = float(np.mean(rendered.input_ids == self._tokenizer.unknown_id))
        return f"{share:.1%} of the tokens are unknown" if share > MOST_UNKNOWN else None

    def _read(self, ids: list[int]) -> str:
        # the white space of a token depends on the tokens before it
        return "".join(self._tokenizer.decode(ids).split())


def runs(labels: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the runs [start, stop) of labels with loss."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], labels != IGNORED, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
