"""The authors' own data in memory: every prompt restorable byte for byte, without holding 9,400 of 130 kB.

All questions about a context share their prompt up to the question. Of each set one prompt is kept whole, and of every
other one how many characters it shares with that, and its rest. This supposes nothing about templates, and costs
memory only for what really differs: about 2 MB for a probe. Taking 3,200 rows takes 0.3 s.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from in2_plugin.errors import ProbeError
from in2_plugin.probing.probes.kinds import Kind
from in2_plugin.probing.published.files import PublishedRow
from in2_plugin.prompt_text import BEFORE_CONTEXT, BEFORE_QUESTION

CONTEXT_HEADING = BEFORE_CONTEXT.strip().splitlines()[-1]
QUESTION_HEADING = BEFORE_QUESTION.strip()
END_TAG = "[/INST]"
_LONGEST_QUESTION = 4_000
"""Characters at a prompt's end where its question is looked for."""


@dataclass(frozen=True, slots=True)
class PublishedQuestion:
    """One question; its prompt is `shared` characters of its set's first one, and `rest`."""

    query: str
    """What the question quotes."""
    gold: tuple[str, ...]
    ambiguous: bool
    """Whether the quoted part stands in the context more than once."""
    shared: int
    rest: str


@dataclass(frozen=True, slots=True)
class PublishedSet:
    """The questions about one context."""

    first: str
    """The prompt that came first."""
    questions: tuple[PublishedQuestion, ...]
    """By position."""

    def prompt(self, position: int) -> str:
        question = self.questions[position]
        return self.first[: question.shared] + question.rest

    def longest_shared(self) -> int:
        """Characters, up to the end of a line, that all prompts of the set have in common."""
        shared = min(question.shared for question in self.questions)
        return self.first.rfind("\n", 0, shared) + 1


@dataclass(frozen=True, slots=True)
class PublishedData:
    """One probe of the authors' data."""

    kind: Kind
    sets: tuple[PublishedSet, ...]

    def prompt(self, set_index: int, position: int) -> str:
        """The prompt as it was published, FILM's template included."""
        return self.sets[set_index].prompt(position)

    def question(self, set_index: int, position: int) -> PublishedQuestion:
        return self.sets[set_index].questions[position]

    def floors(self, set_index: int, position: int) -> tuple[float, float]:
        """Scores of two answers that need no reading: what the question quotes, and another item of the context."""
        questions = self.sets[set_index].questions
        question, other = questions[position], questions[(position + len(questions) // 2) % len(questions)]
        return self.kind.score(question.gold, question.query), self.kind.score(question.gold, ", ".join(other.gold))

    def fingerprint(self) -> str:
        """Sixteen hex digits that change with any prompt."""
        digest = hashlib.sha256(self.kind.name.encode())
        for one in self.sets:
            for text in (one.first, *(f"\0{question.shared} {question.rest}" for question in one.questions)):
                digest.update(text.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:16]


def collect(kind: Kind, rows: Iterable[PublishedRow]) -> PublishedData:
    """Take the rows of one probe, in any order.

    Raises:
        ProbeError: two rows have one place, places are missing, or a prompt asks for something else; names the row.
    """
    firsts: dict[int, str] = {}
    found: dict[int, dict[int, PublishedQuestion]] = {}
    for row in rows:
        of_set = found.setdefault(row.set, {})
        if row.position in of_set:
            raise ProbeError(f"{row.place}: position {row.position} of set {row.set} came before; fetch the file again")
        of_set[row.position] = _question(kind, row, firsts.setdefault(row.set, row.prompt))
    _refuse_gaps(kind.name, found)
    return PublishedData(
        kind,
        tuple(
            PublishedSet(firsts[index], tuple(of_set[position] for position in range(len(of_set))))
            for index, of_set in sorted(found.items())
        ),
    )


def _refuse_gaps(name: str, found: dict[int, dict[int, PublishedQuestion]]) -> None:
    sizes = {1 + max(of_set) for of_set in found.values()}
    if not found or sorted(found) != list(range(len(found))):
        there = ", ".join(map(str, sorted(found))) or "none"
        raise ProbeError(f"the {name} probe must have sets 0, 1, 2, ... and has {there}; fetch its file again")
    for index, of_set in sorted(found.items()):
        if missing := sorted(set(range(max(sizes))) - set(of_set)):
            raise ProbeError(
                f"set {index} of the {name} probe lacks {len(missing):,} of its {max(sizes):,} positions, the first "
                f"is {missing[0]}; fetch its file again"
            )


def _question(kind: Kind, row: PublishedRow, first: str) -> PublishedQuestion:
    start, query = _asked(kind, row)
    shared = shared_beginning(first, row.prompt)
    return PublishedQuestion(
        query, row.gold, _occurs_twice(kind, query, row.prompt[:start]), shared, row.prompt[shared:]
    )


def _asked(kind: Kind, row: PublishedRow) -> tuple[int, str]:
    """(where the question begins, what it quotes)."""
    from_here = max(len(row.prompt) - _LONGEST_QUESTION, 0)
    found = _wording(kind.question).search(row.prompt, from_here)
    if found is None:
        raise ProbeError(f"{row.place}: `prompt` does not end with a question like `{kind.question}`; fetch it again")
    return found.start(), found[1]


def _wording(question: str) -> re.Pattern[str]:
    """The question at a prompt's end, whatever white space stands between its words."""
    tokens = re.findall(r"\{\}|\w+|[^\w\s]", question)
    words = (r"(\S|\S.*?\S)" if token == "{}" else re.escape(token) for token in tokens)
    return re.compile(r"\s*".join(words) + rf"\s*(?:{re.escape(END_TAG)})?\s*\Z", re.DOTALL)


def _occurs_twice(kind: Kind, query: str, context: str) -> bool:
    marked = kind.marker.replace("{}", query)
    wanted = marked if marked in context else query
    return context.find(wanted, context.find(wanted) + 1) >= 0 if wanted in context else False


def shared_beginning(one: str, other: str) -> int:
    """Characters that two texts have in common from their beginning, by halving: about 17 comparisons for 130 kB."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def take_apart(prompt: str) -> tuple[str, str]:
    """(context, question) of a prompt in FILM's template, white space around them and tags left off.

    Raises:
        ProbeError: the prompt is not in that template.
    """
    start, end = prompt.find(CONTEXT_HEADING), prompt.rfind(QUESTION_HEADING)
    if not 0 <= start < end:
        raise ProbeError(
            f"a prompt of the published data lacks `{CONTEXT_HEADING}` or `{QUESTION_HEADING}`, so that it can only be "
            "used as it is; choose the template film"
        )
    question = prompt[end + len(QUESTION_HEADING) :].strip().removesuffix(END_TAG)
    return prompt[start + len(CONTEXT_HEADING) : end].strip(), question.strip()
