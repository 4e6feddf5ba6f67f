"""Store what a teacher wrote: `written_answers/` of the dataset folder that gets the answers.

    written_answers/
      writing.json          written first: the model, its weights, the examples, the settings
      00000.parquet         the answers to the questions of 64 examples, used or not, in reading order
      written_report.json   counts; written when all answers are there

Invariants: a shard has its name when it is complete, so a killed run loses at most one; answers of another model, to
other examples or with other settings are never mixed with these.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from in2_plugin import layout
from in2_plugin.dataset.tables import read_rows, write_rows
from in2_plugin.errors import ConfigError
from in2_plugin.io.atomic import write_json_atomic
from in2_plugin.teaching.rows import ExamplesIdentity
from in2_plugin.teaching.store import SHARD_EXAMPLES
from in2_plugin.teaching.writing.decoding import AnswerDecoding
from in2_plugin.teaching.writing.verification import AnswerOutcome, CheckedAnswer

ANSWERS = pa.schema(
    [
        ("example", pa.uint32()),
        ("turn", pa.uint32()),
        ("text", pa.string()),
        ("outcome", pa.string()),
        ("n_tokens", pa.uint32()),
    ]
)
_NOUNS = {"weights": "weights of SHA-256", "dtype": "the dtype", "decoding": "the settings"}
"""Facts that must be equal, and how errors name them; a model may have moved to another folder."""
Answers = dict[int, CheckedAnswer]
"""The answers to an example, by the number of the turn."""


@dataclass(frozen=True, slots=True)
class WritingFacts:
    """The content of writing.json."""

    model: str
    """Hub name or folder."""
    weights: str
    """SHA-256 of all weights in `dtype`."""
    dtype: str
    source: ExamplesIdentity
    """Of the dataset with the questions."""
    decoding: AnswerDecoding
    shard_examples: int = SHARD_EXAMPLES
    """Examples per shard; those of the first run count."""

    def require_examples(self, folder: Path, source: ExamplesIdentity) -> None:
        """Raise unless the answers in a folder are to the questions of these examples.

        Raises:
            ConfigError: they are not.
        """
        if not source.matches(self.source):
            raise ConfigError(
                f"{folder}: has answers to the questions of another dataset, or of this one before it was rebuilt; "
                "choose another --output"
            )

    @classmethod
    def read(cls, folder: Path) -> "WritingFacts":
        """Read the facts of written answers.

        Raises:
            FileNotFoundError: there are none.
        """
        stored = json.loads((folder / layout.WRITING_FACTS).read_text(encoding="utf-8"))
        source, decoding = ExamplesIdentity(**stored["source"]), AnswerDecoding(**stored["decoding"])
        return cls(**{**stored, "source": source, "decoding": decoding})


@dataclass(frozen=True, slots=True)
class WritingReport:
    """Counts of written answers."""

    model: str
    questions: int
    """Questions about a context."""
    conversations: int
    """Turns without a context, which keep their answers."""
    outcomes: Mapping[str, int]
    """Questions by outcome; only `verified` ones have the written answer."""
    same: int
    """Verified answers that say what the stored answer says, and nothing else."""
    stored_tokens: int
    """Supervised tokens of all questions about a context, with the stored answers."""
    written_tokens: int
    """The same after the verified ones were replaced."""

    @classmethod
    def read(cls, folder: Path) -> "WritingReport":
        """Read the report of a complete folder of written answers."""
        stored = json.loads((folder / layout.WRITTEN_REPORT).read_text(encoding="utf-8"))
        counts = stored["outcomes"]  # sorted by name in the file
        stored["outcomes"] = {str(outcome): counts[outcome] for outcome in AnswerOutcome if outcome in counts}
        return cls(**{field.name: stored[field.name] for field in fields(cls)})

    def write(self, folder: Path) -> None:
        """Write the report, with its sentence for exports."""
        write_json_atomic(folder / layout.WRITTEN_REPORT, {**asdict(self), "sentence": self.sentence()})

    @property
    def verified(self) -> int:
        """Questions that have the written answer."""
        return self.outcomes.get(AnswerOutcome.VERIFIED, 0)

    def sentence(self) -> str:
        """Return one sentence for people and for the dataset card."""
        kept = ", ".join(
            f"{n:,} {outcome.replace('_', ' ')}" for outcome, n in self.outcomes.items() if n and outcome != "verified"
        )
        return (
            f"{self.verified:,} of {self.questions:,} answers about a context were written by {self.model} from the "
            "gold segments alone and contain the stored answer; "
            + (f"the others are the stored ones ({kept})" if kept else "none is a stored one")
        )


class WrittenAnswers:
    """The shards of written answers, whether complete or not."""

    def __init__(self, folder: Path, facts: WritingFacts, n_examples: int) -> None:
        self.folder, self.facts, self._n = folder, facts, n_examples

    @classmethod
    def claim(cls, folder: Path, facts: WritingFacts, n_examples: int) -> Self:
        """Open the shards of a folder to write missing ones, and record whose they are.

        Raises:
            ConfigError: they are of another model, of other examples or of other settings.
        """
        try:
            stored = WritingFacts.read(folder)
        except FileNotFoundError:
            write_json_atomic(folder / layout.WRITING_FACTS, asdict(facts))
            return cls(folder, facts, n_examples)
        stored.require_examples(folder, facts.source)
        for name, noun in _NOUNS.items():
            old, new = getattr(stored, name), getattr(facts, name)
            if old != new:
                raise ConfigError(
                    f"{folder}: was written with {noun} {_shown(old)}, not {_shown(new)}; choose another --output"
                )
        return cls(folder, replace(facts, shard_examples=stored.shard_examples), n_examples)

    def missing(self) -> Iterator[int]:
        """Yield the numbers of the shards that are not complete."""
        n_shards = -(-self._n // self.facts.shard_examples)
        return (shard for shard in range(n_shards) if not self._path(shard).exists())

    def examples(self, shard: int) -> range:
        """Return the numbers of the examples of a shard."""
        begin = shard * self.facts.shard_examples
        return range(begin, min(begin + self.facts.shard_examples, self._n))

    def write(self, shard: int, answers: Sequence[tuple[int, int, CheckedAnswer]]) -> None:
        """Seal a shard, given (example, turn, answer) in reading order."""
        rows = ({"example": example, "turn": turn, **asdict(one)} for example, turn, one in answers)
        write_rows(self._path(shard), rows, ANSWERS)

    def __iter__(self) -> Iterator[Answers]:
        """Yield the answers to each example; all shards must be complete."""
        for begin in range(0, self._n, self.facts.shard_examples):
            shard = begin // self.facts.shard_examples
            found: dict[int, Answers] = {example: {} for example in self.examples(shard)}
            for row in read_rows(self._path(shard)):
                found[row["example"]][row["turn"]] = _answer(row)
            yield from found.values()

    def _path(self, shard: int) -> Path:
        return self.folder / layout.answers_file(shard)


def _answer(row: Mapping[str, Any]) -> CheckedAnswer:
    return CheckedAnswer(row["text"], AnswerOutcome(row["outcome"]), row["n_tokens"])


def _shown(fact: Any) -> str:
    if isinstance(fact, AnswerDecoding):
        return ", ".join(f"--{name.replace('_', '-')} {value}" for name, value in asdict(fact).items())
    return str(fact)
