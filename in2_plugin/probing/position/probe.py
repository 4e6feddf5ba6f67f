"""The values of a position probe: each question is asked at several depths of otherwise equal contexts.

VAL asks for every item of a context once (`probing/probes`). A position probe asks the same question at every depth, so
that depths are compared on the same questions (a paired design). One context serves several questions: their golds
change places from one context of a block to the next, and every other text of the block stays where it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from in2_plugin.probing.position.options import PositionOptions
from in2_plugin.probing.probes.tokens import TokenCounter
from in2_plugin.probing.scoring.answers import word_recall

Control = Literal["", "closed_book", "gold_only"]
"""What is shown with a question: its context; nothing; its gold alone, with nothing that distracts."""
CONTROLS: tuple[Control, ...] = ("", "closed_book", "gold_only")

LONGER_WINDOW = "test a model with a longer window"
"""Advice for prompts that no option shortens, such as those of the controls."""


@dataclass(frozen=True, slots=True)
class PositionQuestion:
    """One question at one depth of one context."""

    question: int
    """Number of the question, from 0; the same at every depth and length, and in the controls."""
    context: int
    """Number of the context; prompts of one context are equal up to the question."""
    length: int
    """Tokens that the context was made for, the answer included. A probe may have several."""
    depth: int
    """Number of the depth of the first gold, from 0 at the start of the context."""
    n_depths: int
    """Equal parts of the context in which the question is asked; 1 in a control."""
    kind: str
    """`fine_grained`: one gold, part of the curve. `integration`: several golds, part of the map of two depths."""
    text: str
    """The question as the model reads it."""
    gold: tuple[str, ...]
    """The answer, as texts of which `PositionProbe.score` decides how many must be found."""
    query: str
    """The part of the question that an echo repeats; the question itself where nothing is quoted."""
    other: str
    """A wrong answer from another place of the context."""
    gold_depths: tuple[float, ...]
    """Relative depth in [0, 1] of the middle of each gold, first gold first; empty in a control."""


class PositionPrompts(Protocol):
    """All questions of one run, and the prompts that they become."""

    @property
    def questions(self) -> Sequence[PositionQuestion]:
        """Every question at every depth and length, context by context."""

    def prompt(self, question: PositionQuestion) -> str:
        """Return the whole prompt, before any chat template."""

    def digest(self) -> str:
        """Return sixteen hex digits that change with any question, gold or context.

        The same for every tokenizer and every control, so that a report can tell which results belong together.
        """


@dataclass(frozen=True, slots=True)
class PositionProbe:
    """Everything that the package knows about one position probe."""

    name: str
    """Lower case with underscores: the lm_eval task; with controls, the group of the tasks that `task` names."""
    title: str
    """Heading in reports."""
    load: Callable[[Mapping[str, Any], Control, TokenCounter], PositionPrompts]
    """Read or make the prompts from lm_eval's arguments: YAML metadata, model arguments and `--metadata`."""
    score: Callable[[tuple[str, ...], str], float]
    """Score an answer against the gold texts, from 0 to 1."""
    recall: Callable[[tuple[str, ...], str], float] = word_recall
    """Share of the gold's words in an answer, from 0 to 1: credit for a part of it."""
    options: type[PositionOptions] = PositionOptions
    """Options of its tasks, which `load` parses; each results file states their defaults."""
    controls: tuple[Control, ...] = CONTROLS
    """The tasks that it has."""
    max_gen_toks: int = 128
    """Tokens to generate per question."""
    shorten: str | Callable[[Mapping[str, Any]], str] = "set probe_length to at most {length} in --metadata"
    """What to change when a prompt does not fit, or a function of lm_eval's arguments that returns it. `{length}` is
    replaced by the tokens of prompt and answer that fit; where they are unknown, `set OPTION to at most {length}`
    becomes `lower OPTION`, and `lengths up to {length}` becomes `shorter lengths`."""
    source: str = ""
    """Paper or repository that the probe is from; empty for our own."""

    def task(self, control: Control) -> str:
        """Return the name of an lm_eval task; without controls, that of the probe itself."""
        if len(self.controls) == 1:
            return self.name
        return f"{self.name}_{control or 'context'}"

    def advice(self, control: Control, lm_eval_args: Mapping[str, Any]) -> str:
        """Return what to change when a prompt of a task does not fit, in the form of `shorten`.

        Raises:
            ConfigError: an option is unknown or out of bounds.
        """
        if control:
            return LONGER_WINDOW
        return self.shorten if isinstance(self.shorten, str) else self.shorten(lm_eval_args)
