"""Hold the authors' own data in memory so that every prompt can be restored byte for byte.

All questions about a context share their prompt up to the question. Of each set, one prompt is kept whole; of every
other one, the number of characters it shares with that prompt, and the rest. This assumes nothing about templates and
needs about 2 MB per probe instead of 400. Collecting 3,200 rows takes 0.3 s.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from in2_plugin.errors import ProbeError
from in2_plugin.probing.probes.probe import Probe
from in2_plugin.probing.published.files import PublishedRow
from in2_plugin.prompt_text import BEFORE_CONTEXT, BEFORE_QUESTION

CONTEXT_HEADING = BEFORE_CONTEXT.strip().splitlines()[-1]
QUESTION_HEADING = BEFORE_QUESTION.strip()
END_TAG = "[/INST]"
_LONGEST_QUESTION = 4_000
"""Characters at the end of a prompt that are searched for its question."""


@dataclass(frozen=True, slots=True)
class PublishedQuestion:
    """One question; its prompt is the first `shared` characters of its set's first prompt, then `rest`."""

    query: str
    """The part that the question quotes."""
    gold: tuple[str, ...]
    ambiguous: bool
    """True if the quoted part occurs more than once in the context."""
    shared: int
    rest: str


@dataclass(frozen=True, slots=True)
class PublishedSet:
    """The questions about one context."""

    first: str
    """The first prompt of the set in the file."""
    questions: tuple[PublishedQuestion, ...]
    """By position."""

    def prompt(self, position: int) -> str:
        question = self.questions[position]
        return self.first[: question.shared] + question.rest

    def longest_shared(self) -> int:
        """Return the number of characters, up to the end of a line, that all prompts of the set share."""
        shared = min(question.shared for question in self.questions)
        return self.first.rfind("\n", 0, shared) + 1


@dataclass(frozen=True, slots=True)
class PublishedData:
    """The authors' data of one probe."""

    probe: Probe
    sets: tuple[PublishedSet, ...]

    def prompt(self, set_index: int, position: int) -> str:
        """Return the prompt as published, FILM's template included."""
        return self.sets[set_index].prompt(position)

    def question(self, set_index: int, position: int) -> PublishedQuestion:
        return self.sets[set_index].questions[position]

    def baselines(self, set_index: int, position: int) -> tuple[float, float]:
        """Return the scores of the quoted part and of another item of the context, as answers."""
        questions = self.sets[set_index].questions
        question, other = questions[position], questions[(position + len(questions) // 2) % len(questions)]
        return self.probe.baselines(question.gold, question.query, ", ".join(other.gold))

    def fingerprint(self) -> str:
        """Return sixteen hex digits that change with any prompt."""
        digest = hashlib.sha256(self.probe.name.encode())
        for one in self.sets:
            for text in (one.first, *(f"\0{question.shared} {question.rest}" for question in one.questions)):
                digest.update(text.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:16]


def collect(probe: Probe, rows: Iterable[PublishedRow]) -> PublishedData:
    """Collect the rows of one probe, in any order.

    Raises:
        ProbeError: a position occurs twice or is missing, or a prompt asks another question; names the row.
    """
    firsts: dict[int, str] = {}
    found: dict[int, dict[int, PublishedQuestion]] = {}
    for row in rows:
        of_set = found.setdefault(row.set, {})
        if row.position in of_set:
            raise ProbeError(
                f"{row.place}: position {row.position} of set {row.set} occurs twice; download the file again"
            )
        of_set[row.position] = _question(probe, row, firsts.setdefault(row.set, row.prompt))
    _refuse_gaps(probe.name, found)
    return PublishedData(
        probe,
        tuple(
            PublishedSet(firsts[index], tuple(of_set[position] for position in range(len(of_set))))
            for index, of_set in sorted(found.items())
        ),
    )


def _refuse_gaps(name: str, found: dict[int, dict[int, PublishedQuestion]]) -> None:
    sizes = {1 + max(of_set) for of_set in found.values()}
    if not found or sorted(found) != list(range(len(found))):
        there = ", ".join(map(str, sorted(found))) or "none"
        raise ProbeError(f"the {name} probe must have sets 0, 1, 2, ... but has {there}; download its file again")
    for index, of_set in sorted(found.items()):
        if missing := sorted(set(range(max(sizes))) - set(of_set)):
            raise ProbeError(
                f"set {index} of the {name} probe lacks {len(missing):,} of its {max(sizes):,} positions, the first "
                f"is {missing[0]}; download its file again"
            )


def _question(probe: Probe, row: PublishedRow, first: str) -> PublishedQuestion:
    start, query = _find_question(probe, row)
    shared = common_prefix(first, row.prompt)
    return PublishedQuestion(
        query, row.gold, _occurs_twice(probe, query, row.prompt[:start]), shared, row.prompt[shared:]
    )


def _find_question(probe: Probe, row: PublishedRow) -> tuple[int, str]:
    """Return (offset of the question, the part that it quotes)."""
    from_here = max(len(row.prompt) - _LONGEST_QUESTION, 0)
    found = _wording(probe.question).search(row.prompt, from_here)
    if found is None:
        raise ProbeError(
            f"{row.place}: `prompt` does not end with a question like `{probe.question}`; download the file again"
        )
    return found.start(), found[1]


def _wording(question: str) -> re.Pattern[str]:
    """Return a pattern for the question at the end of a prompt, with any white space between its words."""
    tokens = re.findall(r"\{\}|\w+|[^\w\s]", question)
    words = (r"(\S|\S.*?\S)" if token == "{}" else re.escape(token) for token in tokens)
    return re.compile(r"\s*".join(words) + rf"\s*(?:{re.escape(END_TAG)})?\s*\Z", re.DOTALL)


def _occurs_twice(probe: Probe, query: str, context: str) -> bool:
    marked = probe.marked(query)
    wanted = marked if marked in context else query
    return context.find(wanted, context.find(wanted) + 1) >= 0 if wanted in context else False


def common_prefix(one: str, other: str) -> int:
    """Return the length of the common prefix, by binary search: about 17 comparisons for 130 kB."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def split_prompt(prompt: str) -> tuple[str, str]:
    """Return (context, question) of a prompt in FILM's template, without tags and surrounding white space.

    Raises:
        ProbeError: the prompt is not in that template.
    """
    start, end = prompt.find(CONTEXT_HEADING), prompt.rfind(QUESTION_HEADING)
    if not 0 <= start < end:
        raise ProbeError(
            f"a prompt of the published data lacks `{CONTEXT_HEADING}` or `{QUESTION_HEADING}`, so it can only be used "
            "unchanged; choose the template film"
        )
    question = prompt[end + len(QUESTION_HEADING) :].strip().removesuffix(END_TAG)
    return prompt[start + len(CONTEXT_HEADING) : end].strip(), question.strip()
