"""Store each question with its gold segments alone, as token ids in flat memory-mapped files: a teacher reads these.

    gold_rows/
      gold_examples.bin  uint64, n_examples + 1: number of the first row of each example
      gold_rows.bin      ROW records: where the row's ids begin, and its answer in them
      gold_ids.bin       uint32, token ids of all rows
      gold_facts.json    written last: counts, identity of the examples

A row is the example's template with the gold segments of one question, this question and its answer, and ends with the
answer. Where the whole context is gold (`short_context`) it has all segments; without a context (`general`) it is the
conversation up to the answer. Invariant: the supervised token ids of a row are those of its example. Opening maps a few
files and needs no tokenizer; `GoldOnlyRows` pickles as its path. Cost: about 1 ms and 1 KB per question.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt

from in2_plugin import layout
from in2_plugin.dataset.reader import IN2Dataset, read_manifest, turns_of
from in2_plugin.errors import DatasetError
from in2_plugin.io.atomic import commit_part, write_json_atomic
from in2_plugin.questions import Part

ROW = np.dtype([("begin", np.uint64), ("answer", np.uint32)])
"""Number of the first id in gold_ids.bin; supervised tokens before the end of the row."""
FILES: dict[str, Any] = {layout.GOLD_EXAMPLES: np.uint64, layout.GOLD_RECORDS: ROW, layout.GOLD_IDS: np.uint32}


@dataclass(frozen=True, slots=True)
class GoldOnlyRow:
    """One question with its gold segments alone."""

    ids: npt.NDArray[np.uint32]
    """(n_tokens,) from the beginning of the conversation to the end of the answer."""
    answer: slice
    """The supervised tokens in `ids`: the answer and its end-of-turn token."""


@dataclass(frozen=True, slots=True)
class ExamplesIdentity:
    """Identity of the examples that rows and scores were made from."""

    examples: str
    """SHA-256 of examples.parquet."""
    tokenizer: str
    """Fingerprint of the tokenizer, as in the manifest."""
    template: str
    """Fingerprint of the chat template."""
    content: str = ""
    """Digest of all texts and examples, as in the manifest; empty if an earlier version wrote one of the two."""

    @classmethod
    def of(cls, dataset: Path) -> "ExamplesIdentity":
        """Read the identity of a complete dataset, from its manifest and plans.

        Raises:
            DatasetError: see `read_manifest`.
        """
        manifest = read_manifest(dataset)
        plans = json.loads((dataset / layout.PLANS / layout.PLAN_FACTS).read_text(encoding="utf-8"))
        return cls(plans["made_of"], manifest.tokenizer_fingerprint, manifest.template_fingerprint, manifest.content)

    def matches(self, other: "ExamplesIdentity") -> bool:
        """Return True if both are of the same examples, as far as both are known."""
        known = self.content and other.content
        return self == (other if known else replace(other, content=self.content))


class GoldOnlyRows:
    """The gold rows of a dataset, by the number of the example."""

    def __init__(self, dataset: Path) -> None:
        """Open the rows in a dataset folder.

        Raises:
            DatasetError: there are none, or they were made from other examples or damaged since.
        """
        self.dataset, self._folder = dataset, dataset / layout.GOLD_ROWS
        self._again = f"run `in2 teach {dataset}` to write them, which takes about two minutes per 100,000 questions"
        try:
            facts = json.loads((self._folder / layout.GOLD_FACTS).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DatasetError(f"{dataset}: has no gold rows; {self._again}") from None
        self.source = ExamplesIdentity.of(dataset)
        if not self.source.matches(ExamplesIdentity(**facts["source"])):
            raise DatasetError(f"{dataset}: its gold rows were written before it was rebuilt; {self._again}")
        self._n = {name: facts[name] for name in FILES}

    def __reduce__(self) -> tuple[type["GoldOnlyRows"], tuple[Path]]:
        return GoldOnlyRows, (self.dataset,)

    def __len__(self) -> int:
        """Return the number of examples."""
        return int(self._n[layout.GOLD_EXAMPLES]) - 1

    @property
    def n_tokens(self) -> int:
        """Total number of tokens of all rows."""
        return int(self._n[layout.GOLD_IDS])

    @property
    def n_answer_tokens(self) -> npt.NDArray[np.int64]:
        """(n_examples,) supervised tokens of each example."""
        ends = np.concatenate([[0], np.cumsum(self._mapped[layout.GOLD_RECORDS]["answer"], dtype=np.int64)])
        n_tokens: npt.NDArray[np.int64] = np.diff(ends[self._mapped[layout.GOLD_EXAMPLES].astype(np.int64)])
        return n_tokens

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(n_questions,) tokens of each row."""
        lengths: npt.NDArray[np.int64] = np.diff(self._mapped[layout.GOLD_RECORDS]["begin"].astype(np.int64))
        return lengths

    @property
    def largest(self) -> tuple[int, int]:
        """Questions of the example whose rows have the most tokens when padded, and tokens of its longest row."""
        begins = self._mapped[layout.GOLD_EXAMPLES].astype(np.int64)
        if len(begins) < 2:
            return 0, 0
        counts, longest = np.diff(begins), np.maximum.reduceat(self.lengths, begins[:-1])
        place = int((counts * longest).argmax())
        return int(counts[place]), int(longest[place])

    def n_questions(self, examples: range) -> int:
        """Return the number of rows of a range of examples."""
        begin, end = self._mapped[layout.GOLD_EXAMPLES][[examples.start, examples.stop]].tolist()
        return int(end - begin)

    def of(self, example: int) -> list[GoldOnlyRow]:
        """Return the row of each question of an example, in the order of its turns."""
        begin, end = self._mapped[layout.GOLD_EXAMPLES][example : example + 2].tolist()
        records = self._mapped[layout.GOLD_RECORDS][begin : end + 1]
        return [
            GoldOnlyRow(self._mapped[layout.GOLD_IDS][start:stop], slice(stop - start - answer, stop - start))
            for (start, answer), (stop, _) in zip(records[:-1].tolist(), records[1:].tolist(), strict=True)
        ]

    @cached_property
    def _mapped(self) -> dict[str, npt.NDArray[Any]]:
        return {name: self._map(name, np.dtype(dtype)) for name, dtype in FILES.items()}

    def _map(self, name: str, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        path = self._folder / name
        if not path.exists() or path.stat().st_size != self._n[name] * dtype.itemsize:
            raise DatasetError(f"{path}: is missing or damaged; delete {self._folder} and {self._again}")
        # a plain view of the map: slicing np.memmap is four times slower
        return np.asarray(np.memmap(path, dtype=dtype, mode="r"))


def write_gold_rows(dataset: IN2Dataset, step: Callable[[int], None] = lambda _: None) -> GoldOnlyRows:
    """Write the gold rows of a dataset, unless it has those of its examples, and open them.

    Args:
        step: called with the number of examples just done.

    Raises:
        DatasetError: an answer has other token ids with its gold segments alone than in its example.
    """
    folder, source = dataset.folder / layout.GOLD_ROWS, ExamplesIdentity.of(dataset.folder)
    stored = _stored_source(folder)
    if stored is None or not source.matches(stored):
        with _RowWriter(folder, source) as writer:
            for number, row in enumerate(dataset.rows()):
                writer.add(_rows_of(dataset, number, row))
                step(1)
    return GoldOnlyRows(dataset.folder)


class _RowWriter:
    """Writes the rows of one example after the other; files get their names when the block ends without an error."""

    def __init__(self, folder: Path, source: ExamplesIdentity) -> None:
        self._folder, self._source = folder, source
        self._n = dict.fromkeys(FILES, 0)

    def __enter__(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        (self._folder / layout.GOLD_FACTS).unlink(missing_ok=True)
        self._files: dict[str, IO[bytes]] = {name: (self._folder / f"{name}.part").open("wb") for name in FILES}
        return self

    def add(self, rows: Iterable[GoldOnlyRow]) -> None:
        """Append the rows of the next example."""
        self._write(layout.GOLD_EXAMPLES, np.array([self._n[layout.GOLD_RECORDS]], np.uint64))
        for row in rows:
            record = self._n[layout.GOLD_IDS], row.answer.stop - row.answer.start
            self._write(layout.GOLD_RECORDS, np.array([record], ROW))
            self._write(layout.GOLD_IDS, row.ids)

    def _write(self, name: str, values: npt.NDArray[Any]) -> None:
        self._files[name].write(values.tobytes())
        self._n[name] += len(values)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:  # final records, so that everything ends where the next begins
            self.add(())
            self._write(layout.GOLD_RECORDS, np.array([(self._n[layout.GOLD_IDS], 0)], ROW))
        for file in self._files.values():
            file.close()
        if kind is None:
            for name in FILES:
                commit_part(self._folder / name)
            write_json_atomic(self._folder / layout.GOLD_FACTS, {**self._n, "source": asdict(self._source)})


def _stored_source(folder: Path) -> ExamplesIdentity | None:
    try:
        return ExamplesIdentity(**json.loads((folder / layout.GOLD_FACTS).read_text(encoding="utf-8"))["source"])
    except (FileNotFoundError, ValueError, KeyError):
        return None


def _rows_of(dataset: IN2Dataset, number: int, row: Mapping[str, Any]) -> Iterator[GoldOnlyRow]:
    """Yield the gold row of each turn of an example."""
    ids, _ = dataset.plans.assemble(number)
    for turn, (question, answer), (start, stop, _) in zip(
        row["turns"], turns_of(row), dataset.plans.answers(number).tolist(), strict=True
    ):
        if not row["segment_ids"]:
            yield GoldOnlyRow(ids[:stop].astype(np.uint32), slice(start, stop))
            continue
        rendered = dataset.renderer.render(gold_segments(row, turn), [(question, answer)])
        ((begin, end),) = rendered.answers
        if not np.array_equal(rendered.input_ids[begin:end], ids[start:stop]):
            raise DatasetError(
                f"{dataset.folder}: example {number}: the answer {answer[:60]!r} has other token ids with its gold "
                "segments alone than in its example, so a teacher cannot score it; build with `questions_per_context: "
                "1`, or leave `distill` out of `objective`"
            )
        yield GoldOnlyRow(rendered.input_ids[:end].astype(np.uint32), slice(begin, end))


def gold_segments(row: Mapping[str, Any], turn: Mapping[str, Any]) -> list[int]:
    """Return the segments that a turn's answer is in, in reading order; all of them in a short context."""
    gold = {span["segment_id"] for span in turn["gold"]}
    return [segment for segment in row["segment_ids"] if row["part"] == Part.SHORT_CONTEXT or segment in gold]
