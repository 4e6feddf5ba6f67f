"""Store the likeliest tokens of a teacher at every answer token: `teacher/NAME/` of a dataset folder.

    teacher/NAME/
      teacher.json    written first: the model, its weights, the examples, K
      00000.bin       SCORE records of the answer tokens of 64 examples, in reading order
      00001.bin       ...

Invariants: a shard has its name when it is complete, so a killed run loses at most one; scores of another model, other
examples or another K are never mixed with these. Complete when every shard exists. Cost: 100 bytes per answer token for
K = 16; reading an example takes about 50 us, and needs no tokenizer.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from in2_plugin import layout
from in2_plugin.errors import ConfigError, DatasetError
from in2_plugin.io.atomic import write_atomic, write_json_atomic
from in2_plugin.teaching.rows import ExamplesIdentity, GoldOnlyRows

TOP_K = 16
SHARD_EXAMPLES = 64
INITIAL, CURRENT = "initial", "current"
"""The model before training, which needs no name of its own; the model in training, which needs no scores."""
_NOUNS = {"dtype": "the dtype", "weights": "weights of SHA-256", "top_k": "a top-k of"}
"""Facts that must be equal, and how errors name them; a model may have moved to another folder."""
_REBUILT = "has scores of examples from before the dataset was rebuilt"
_INSTEAD = "delete the folder, or choose another --name"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

TokenIds = npt.NDArray[np.uint32]
LogProbs = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TeacherFacts:
    """The content of teacher.json."""

    model: str
    """Hub name or folder."""
    weights: str
    """SHA-256 of all weights in `dtype`."""
    dtype: str
    """The dtype of the forward pass, such as `bfloat16`."""
    top_k: int
    source: ExamplesIdentity
    shard_examples: int = SHARD_EXAMPLES
    """Examples per shard; those of the first run count."""

    @classmethod
    def read(cls, folder: Path) -> "TeacherFacts":
        """Read the facts of a teacher.

        Raises:
            FileNotFoundError: there are none.
        """
        stored = json.loads((folder / layout.TEACHER_FACTS).read_text(encoding="utf-8"))
        return cls(**{**stored, "source": ExamplesIdentity(**stored["source"])})


def teacher_names(dataset: Path) -> list[str]:
    """Return the names of the teachers that have scores in a dataset folder, complete or not."""
    return sorted(path.parent.name for path in (dataset / layout.TEACHER).glob(f"*/{layout.TEACHER_FACTS}"))


def require_name(name: str) -> None:
    """Raise unless a teacher can have this name.

    Raises:
        ConfigError: it cannot.
    """
    if name == CURRENT or not _NAME.fullmatch(name):
        raise ConfigError(
            f"`{name}` cannot be the name of a teacher: use letters, digits, `.`, `_` and `-`; `{CURRENT}` is the "
            "model in training"
        )


def _require_same(folder: Path, stored: TeacherFacts, facts: TeacherFacts) -> None:
    if not facts.source.matches(stored.source):
        raise ConfigError(f"{folder}: {_REBUILT}; {_INSTEAD}")
    for one, noun in _NOUNS.items():
        old, new = getattr(stored, one), getattr(facts, one)
        if old != new:
            raise ConfigError(f"{folder}: was made with {noun} {old}, not {new}; {_INSTEAD}")


class TeacherShards:
    """The shards of one teacher, whether complete or not."""

    def __init__(self, rows: GoldOnlyRows, name: str, facts: TeacherFacts) -> None:
        self.rows, self.name, self.facts = rows, name, facts
        self.folder = rows.dataset / layout.TEACHER / name
        k = facts.top_k
        self._record = np.dtype([("ids", np.uint32, (k,)), ("logprobs", np.float16, (k,)), ("rest", np.float32)])

    @classmethod
    def claim(cls, rows: GoldOnlyRows, name: str, facts: TeacherFacts) -> Self:
        """Open the shards under a name to write missing ones, and record whose they are.

        Raises:
            ConfigError: the name belongs to another model, other examples or another K, or is not possible.
        """
        require_name(name)
        folder = rows.dataset / layout.TEACHER / name
        try:
            stored = TeacherFacts.read(folder)
        except FileNotFoundError:
            folder.mkdir(parents=True, exist_ok=True)
            write_json_atomic(folder / layout.TEACHER_FACTS, asdict(facts))
            return cls(rows, name, facts)
        facts = replace(facts, shard_examples=stored.shard_examples)
        _require_same(folder, stored, facts)
        return cls(rows, name, facts)

    @cached_property
    def _borders(self) -> npt.NDArray[np.int64]:
        """(n_examples + 1,) number of answer tokens before each example."""
        return np.concatenate([[0], np.cumsum(self.rows.n_answer_tokens)])

    @property
    def n_shards(self) -> int:
        """Number of shards, complete or not."""
        return -(-len(self.rows) // self.facts.shard_examples)

    def examples(self, shard: int) -> range:
        """Return the numbers of the examples of a shard."""
        begin = shard * self.facts.shard_examples
        return range(begin, min(begin + self.facts.shard_examples, len(self.rows)))

    def missing(self) -> Iterator[int]:
        """Yield the numbers of the shards that are not complete."""
        return (shard for shard in range(self.n_shards) if not self._is_complete(shard))

    def _path(self, shard: int) -> Path:
        return self.folder / layout.scores_file(shard)

    def _is_complete(self, shard: int) -> bool:
        examples = self.examples(shard)
        expected = int(self._borders[examples.stop] - self._borders[examples.start]) * self._record.itemsize
        path = self._path(shard)
        return path.exists() and path.stat().st_size == expected

    def write(self, shard: int, ids: TokenIds, logprobs: LogProbs) -> None:
        """Seal a shard, given what `likeliest_tokens` returns for its answer tokens."""
        records = np.empty(len(ids), self._record)
        records["ids"], records["logprobs"], records["rest"] = ids, logprobs[:, :-1], logprobs[:, -1]
        write_atomic(self._path(shard), records.tofile)

    def of(self, example: int) -> tuple[TokenIds, LogProbs]:
        """Return (n_answer_tokens, K) token ids and (n_answer_tokens, K + 1) log-probabilities in nats of an example.

        The likeliest token is first; the last log-probability is that of all other tokens. The K are stored in float16,
        so that the probabilities of a row sum to 1 only nearly.
        """
        shard = example // self.facts.shard_examples
        first, begin, end = (int(self._borders[i]) for i in (self.examples(shard).start, example, example + 1))
        offset = (begin - first) * self._record.itemsize
        records = np.fromfile(self._path(shard), self._record, count=end - begin, offset=offset)
        return records["ids"], np.column_stack([records["logprobs"].astype(np.float32), records["rest"]])

    def highest_id(self) -> int:
        """Return the highest token id of the complete shards. Cost: reads them once, about 1 s per GB."""
        shards = (np.fromfile(self._path(shard), self._record)["ids"] for shard in range(self.n_shards))
        return max((int(ids.max(initial=0)) for ids in shards), default=0)


class TeacherStore(TeacherShards):
    """The complete scores of one teacher. Pickles as its path and name."""

    @classmethod
    def open(cls, dataset: Path, name: str) -> Self:
        """Open the scores under a name.

        Raises:
            DatasetError: there are none, they are not complete, or they belong to other examples.
        """
        folder = dataset / layout.TEACHER / name
        command = f"`in2 teach {dataset} --model MODEL --name {name}`"
        try:
            facts = TeacherFacts.read(folder)
        except FileNotFoundError:
            others = ", ".join(teacher_names(dataset)) or "none"
            raise DatasetError(
                f"{dataset}: has no scores of a teacher `{name}` (there are: {others}); run {command}"
            ) from None
        rows = GoldOnlyRows(dataset)
        if not rows.source.matches(facts.source):
            raise DatasetError(f"{folder}: {_REBUILT}; delete the folder and run {command}")
        store = cls(rows, name, facts)
        if missing := len(list(store.missing())):
            raise DatasetError(
                f"{folder}: {missing} of {store.n_shards} shards are missing or damaged; run {command} to finish them"
            )
        return store

    def __reduce__(self) -> tuple[Any, tuple[Path, str]]:
        return TeacherStore.open, (self.rows.dataset, self.name)
