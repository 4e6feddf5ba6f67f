"""Store the data that trainers read in flat memory-mapped files, `plans/` of a dataset folder.

    plans/
      lengths.bin    uint32, tokens of each example
      examples.bin   EXAMPLE records: where the example's parts begin in the files below
      segments.bin   uint32, segment ids in reading order
      tails.bin      token ids of the last segment, the questions and answers; UTF-8 text without that segment if
                     examples are tokenized as a whole
      answers.bin    ANSWER records, one per turn
      openings.bin   uint32, tokens of the opening of each answer; datasets of earlier versions do not have it
      facts.json     written last: counts, joining, digest of examples.parquet, whether there are openings, the fixed
                     texts of the template with their token ids

Invariant: `assemble` returns the ids and labels of `IN2Dataset.render`, without a tokenizer under `Joining.SPLICE`.
Opening maps a few files regardless of their size; `Plans` pickles as its path; an example of 16K tokens takes about
20 us and 1 KB on disk.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt

from in2_plugin import layout
from in2_plugin.config import PARTS
from in2_plugin.corpus.splicing import SEPARATOR, Joining
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import TextTokenizer
from in2_plugin.errors import DatasetError
from in2_plugin.examples.opening import ASSUMED, opening_tokens
from in2_plugin.examples.rendering import IGNORED, Rendered
from in2_plugin.examples.template import Frame, Turn
from in2_plugin.io.atomic import commit_part, write_json_atomic

REBUILD_PLANS = "delete plans/facts.json and manifest.json, then run `in2 build`; no question is asked again"
EXAMPLE = np.dtype(
    [("segments", np.uint64), ("tail", np.uint64), ("answers", np.uint64), ("head", np.uint16), ("part", np.uint8)]
)
"""Offsets of segments, tail (in bytes) and answers; number of the head; index of the part in PARTS."""
ANSWER = np.dtype([("start", np.uint32), ("stop", np.uint32), ("depth", np.float32)])
"""Supervised tokens [start, stop) of the example; depth of its gold in [0, 1), NaN without a single position."""
FILES: dict[str, Any] = {
    layout.PLAN_LENGTHS: np.uint32,
    layout.PLAN_RECORDS: EXAMPLE,
    layout.PLAN_SEGMENTS: np.uint32,
    layout.PLAN_TAILS: np.uint8,
    layout.PLAN_ANSWERS: ANSWER,
    layout.PLAN_OPENINGS: np.uint32,
}
Answers = npt.NDArray[np.void]
"""Records of ANSWER."""


@dataclass(frozen=True, slots=True)
class ExamplePlan:
    """One stored example."""

    part: str
    head: str
    """Text before the segments."""
    segment_ids: npt.NDArray[np.uint32]
    tail: bytes
    """Token ids, or UTF-8 text, after the segments."""
    answers: Answers
    openings: npt.NDArray[np.uint32]
    """(n_turns,) tokens of the opening of each answer."""
    n_tokens: int


def plan_of(
    row: Mapping[str, Any], rendered: Rendered, frame: Frame, turns: Sequence[Turn], store: SegmentStore
) -> ExamplePlan:
    """Return the plan of a rendered row of examples.parquet."""
    segment_ids = np.array(row["segment_ids"], np.uint32)
    if store.facts.joining is Joining.SPLICE:
        tail_from = int(rendered.segments[-2]) if len(segment_ids) else 0
        tail = rendered.input_ids[tail_from:].astype(store.id_type).tobytes()
    else:
        tail = frame.after_context(turns)[0].encode()
    depths = [depth_of(row, turn) for turn in row["turns"]]
    answers = [(start, stop, depth) for (start, stop), depth in zip(rendered.answers, depths, strict=True)]
    openings = np.array(_openings(store.texts(segment_ids), rendered, frame, turns), np.uint32)
    return ExamplePlan(row["part"], frame.head, segment_ids, tail, np.array(answers, ANSWER), openings, row["n_tokens"])


def _openings(texts: Sequence[str], rendered: Rendered, frame: Frame, turns: Sequence[Turn]) -> list[int]:
    """Return the tokens of the opening of each answer about a context of these texts."""
    context = SEPARATOR.join(texts)
    return [
        opening_tokens(context, answer, (ends - len(fixed.lead)).tolist())
        for (_, answer), fixed, ends in zip(turns, frame.turns, rendered.token_ends, strict=True)
    ]


def depth_of(row: Mapping[str, Any], turn: Mapping[str, Any]) -> float:
    """Return the depth of a turn's single gold; NaN for several golds and for short contexts, which are all gold."""
    if len(turn["gold"]) != 1 or len(row["segment_ids"]) < 2 or row["part"] == "short_context":
        return float("nan")
    place = row["segment_ids"].index(turn["gold"][0]["segment_id"])
    return float((place + 0.5) / len(row["segment_ids"]))


class PlanWriter:
    """Writes plans one by one; files get their final names when the `with` block ends without an error."""

    def __init__(self, folder: Path, store: SegmentStore, heads: Mapping[str, Sequence[int]], made_of: str) -> None:
        """`heads`: token ids of the template's fixed texts, among them every head of a plan; `made_of`: digest of
        examples.parquet."""
        self._folder, self._store, self._heads, self._made_of = folder, store, heads, made_of
        self._numbers = {head: i for i, head in enumerate(heads)}
        self._files: dict[str, IO[bytes]] = {}
        self._begun = dict.fromkeys(("segments", "tail", "answers"), 0)
        self.count = 0

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / layout.PLAN_FACTS).unlink(missing_ok=True)
        self._files = {name: (self._folder / f"{name}.part").open("wb") for name in FILES}
        return self

    def add(self, plan: ExamplePlan) -> None:
        """Append a plan."""
        places = tuple(self._begun.values())
        record = np.array((*places, self._numbers[plan.head], PARTS.index(plan.part)), EXAMPLE)
        arrays: tuple[Any, ...] = (plan.segment_ids, plan.tail, plan.answers, plan.openings)
        for file, value in zip(self._files.values(), (np.uint32(plan.n_tokens), record, *arrays), strict=True):
            file.write(value if isinstance(value, bytes) else value.tobytes())
        for name, size in zip(self._begun, (len(plan.segment_ids), len(plan.tail), len(plan.answers)), strict=True):
            self._begun[name] += size
        self.count += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:  # a final record, so that every example ends where the next one begins
            self._files[layout.PLAN_RECORDS].write(np.array((*self._begun.values(), 0, 0), EXAMPLE).tobytes())
        for file in self._files.values():
            file.close()
        if kind is None:
            for name in FILES:
                commit_part(self._folder / name)
            facts = {"examples": self.count, "joining": self._store.facts.joining, "made_of": self._made_of,
                     "openings": True,
                     "heads": [{"text": text, "ids": list(ids)} for text, ids in self._heads.items()]}  # fmt: skip
            write_json_atomic(self._folder / layout.PLAN_FACTS, facts)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Plans:
    """The plans of a dataset, by number."""

    def __init__(self, folder: Path, store: SegmentStore, tokenizer: TextTokenizer | None = None) -> None:
        """Open the plans. Only `Joining.RETOKENIZE` needs `tokenizer`.

        Raises:
            DatasetError: the plans are not finished, or belong to another store.
        """
        self._folder, self._store, self._tokenizer = folder, store, tokenizer
        try:
            facts = json.loads((folder / layout.PLAN_FACTS).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DatasetError(f"{folder}: contains no finished plans; {REBUILD_PLANS}") from None
        self._n, self.made_of = int(facts["examples"]), str(facts["made_of"])
        self.knows_openings = bool(facts.get("openings"))
        """False for datasets of earlier versions, where openings are assumed."""
        self._spliced = store.facts.joining is Joining.SPLICE
        if facts["joining"] != store.facts.joining or (tokenizer is None and not self._spliced):
            raise DatasetError(f"{folder}: does not belong to {store.folder}; {REBUILD_PLANS}")
        self._heads = [(head["text"], np.array(head["ids"], store.id_type)) for head in facts["heads"]]

    def __reduce__(self) -> tuple[type["Plans"], tuple[Path, SegmentStore, TextTokenizer | None]]:
        return Plans, (self._folder, self._store, None if self._spliced else self._tokenizer)

    def __len__(self) -> int:
        return self._n

    @property
    def dataset(self) -> Path:
        """The dataset folder."""
        return self._folder.parent

    @property
    def template_ids(self) -> dict[str, list[int]]:
        """Stored token ids of the template's fixed texts; datasets of earlier versions have only the heads."""
        return {text: ids.tolist() for text, ids in self._heads}

    def _mapped(self, name: str, n: int | None = None) -> npt.NDArray[Any]:
        path, dtype = self._folder / name, np.dtype(FILES[name])
        size = path.stat().st_size if path.exists() else -1
        if size < 0 or size % dtype.itemsize or (n is not None and size != n * dtype.itemsize):
            raise DatasetError(f"{path}: is missing or damaged; {REBUILD_PLANS}")
        # a plain view of the map: slicing np.memmap is four times slower; an empty file cannot be mapped
        return np.asarray(np.memmap(path, dtype=dtype, mode="r")) if size else np.zeros(0, dtype)

    @cached_property
    def n_tokens(self) -> npt.NDArray[np.uint32]:
        """(n,) tokens of each example."""
        return self._mapped(layout.PLAN_LENGTHS, self._n)

    @cached_property
    def _examples(self) -> npt.NDArray[np.void]:
        return self._mapped(layout.PLAN_RECORDS, self._n + 1)

    @cached_property
    def _columns(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint8], Answers]:
        segments, tails, answers = (
            self._mapped(name) for name in (layout.PLAN_SEGMENTS, layout.PLAN_TAILS, layout.PLAN_ANSWERS)
        )
        return segments, tails, answers

    @property
    def part(self) -> npt.NDArray[np.uint8]:
        """(n,) index in PARTS of each example's part."""
        part: npt.NDArray[np.uint8] = self._examples["part"][:-1]
        return part

    @property
    def n_turns(self) -> npt.NDArray[np.int64]:
        """(n,) questions of each example."""
        turns: npt.NDArray[np.int64] = np.diff(self._examples["answers"].astype(np.int64))
        return turns

    @property
    def n_answer_tokens(self) -> npt.NDArray[np.int64]:
        """(n,) supervised tokens of each example."""
        answers = self._columns[2]
        ends = np.concatenate([[0], np.cumsum(answers["stop"].astype(np.int64) - answers["start"])])
        borders = self._examples["answers"].astype(np.int64)
        supervised: npt.NDArray[np.int64] = ends[borders[1:]] - ends[borders[:-1]]
        return supervised

    def answers(self, number: int) -> Answers:
        """Return the (n_turns,) ANSWER records of an example."""
        begin, end = self._examples["answers"][number : number + 2].tolist()
        return self._columns[2][begin:end]

    @cached_property
    def _openings(self) -> npt.NDArray[np.uint32]:
        return self._mapped(layout.PLAN_OPENINGS, len(self._columns[2]))

    def openings(self, number: int) -> npt.NDArray[np.uint32]:
        """Return (n_turns,) the tokens of the opening of each answer; none without a context."""
        begins, segments = (self._examples[name][number : number + 2].tolist() for name in ("answers", "segments"))
        if self.knows_openings:
            return self._openings[slice(*begins)]
        answers, most = self.answers(number), ASSUMED if segments[0] < segments[1] else 0
        assumed: npt.NDArray[np.uint32] = np.minimum(answers["stop"] - answers["start"], np.uint32(most))
        return assumed

    def plan(self, number: int) -> ExamplePlan:
        """Return a plan as it was added."""
        segments, tails, answers = self._columns
        (s, t, a, head, part), (s_end, t_end, a_end, *_) = self._examples[number : number + 2].tolist()
        return ExamplePlan(
            PARTS[part],
            self._heads[head][0],
            segments[s:s_end],
            tails[t:t_end].tobytes(),
            answers[a:a_end],
            self.openings(number),
            int(self.n_tokens[number]),
        )

    def assemble(self, number: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return token ids and labels, (n_tokens,) each; labels without loss are IGNORED.

        Raises:
            DatasetError: the length of the example differs from its plan.
        """
        segments, tails, answers = self._columns
        (s, t, a, head, _), (s_end, t_end, a_end, *_) = self._examples[number : number + 2].tolist()
        chosen, tail = segments[s:s_end], tails[t:t_end]
        n = int(self.n_tokens[number])
        try:
            ids = self._splice(head, chosen, tail, n) if self._spliced else self._tokenize(head, chosen, tail, n)
        except ValueError:
            raise DatasetError(
                f"{self._folder}: example {number} does not have the {n:,} tokens of its plan; {REBUILD_PLANS}"
            ) from None
        labels = np.full(n, IGNORED, np.int64)
        for start, stop, _ in answers[a:a_end].tolist():
            labels[start:stop] = ids[start:stop]
        return ids, labels

    def _splice(
        self, head: int, chosen: npt.NDArray[np.uint32], tail: npt.NDArray[np.uint8], n: int
    ) -> npt.NDArray[np.int64]:
        parts = (self._heads[head][1], self._store.gather(chosen[:-1]), tail.view(self._store.id_type))
        return np.concatenate(parts[0 if len(chosen) else 2 :], out=np.empty(n, np.int64), casting="unsafe")

    def _tokenize(
        self, head: int, chosen: npt.NDArray[np.uint32], tail: npt.NDArray[np.uint8], n: int
    ) -> npt.NDArray[np.int64]:
        assert self._tokenizer is not None
        text = f"{self._heads[head][0]}{SEPARATOR.join(self._store.texts(chosen))}{tail.tobytes().decode()}"
        ids = np.array(self._tokenizer.encode(text).ids, np.int64)
        if len(ids) != n:
            raise ValueError
        return ids
