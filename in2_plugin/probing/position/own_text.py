"""The probe `in2_probe`: questions about a user's own documents, from the folder that `in2 probe build` wrote.

`--metadata '{"probe": "FOLDER"}'` names the folder. Its contexts have one or several lengths; the controls ask each
question once, without its context (`closed_book`) or with its gold segments alone (`gold_only`). Invariant: a folder
that is missing, unfinished or damaged is refused with one sentence. Contexts are held as segment ids; a prompt is put
together when it is asked for.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from pydantic import field_validator

from in2_plugin.errors import ConfigError
from in2_plugin.probing.own_text.contexts import TEMPLATE, context_text
from in2_plugin.probing.own_text.tables import DepthQuestion, PlannedContext, ProbeFolder, read_probe
from in2_plugin.probing.own_text.training_overlap import warn_of_training_documents
from in2_plugin.probing.position.options import PositionOptions
from in2_plugin.probing.position.probe import Control, PositionProbe, PositionQuestion
from in2_plugin.probing.probes.tokens import TokenCounter
from in2_plugin.probing.scoring.answers import all_contained

NAME = "in2_probe"


class OwnTextOptions(PositionOptions):
    """Options of `in2_probe`."""

    probe: str | None = None
    """The probe folder, the `output` of a probe file."""
    probe_lengths: tuple[int, ...] | None = None
    """Lengths to ask at, of those in the folder; all when absent."""
    trained_on: str | None = None
    """Dataset that the model was trained on, to warn of shared documents; found beside a model trained with us."""

    @field_validator("probe_lengths", mode="before")
    @classmethod
    def _take_one_length(cls, value: Any) -> Any:
        return (value,) if isinstance(value, int) else value


class OwnTextPrompts:
    """The questions of a probe folder, as one task asks them."""

    def __init__(self, probe: ProbeFolder, control: Control, lengths: Sequence[int]) -> None:
        self._probe, self._control, self._lengths = probe, control, lengths
        self._context = lru_cache(maxsize=2)(lambda number: context_text(probe.store, self._segments(number)))

    @cached_property
    def questions(self) -> Sequence[PositionQuestion]:
        """Every question at every depth and length, context by context; each once in a control."""
        asked = self._probe.questions
        if self._control:
            return [_question(one, context=one.number) for one in asked]
        n_depths = self._probe.facts.n_depths
        return [
            _question(
                asked[one.question], context.number, context.length, one.depth, n_depths, one.other, one.gold_depths
            )
            for context in self._contexts
            for one in context.asked
        ]

    def prompt(self, question: PositionQuestion) -> str:
        """Return the whole prompt, before any chat template."""
        if self._control == "closed_book":
            return TEMPLATE.without_context(question.text)
        return TEMPLATE.prompt(self._context(question.context), question.text)

    def digest(self) -> str:
        """Return the digest of the folder, which was compared with its content."""
        return self._probe.facts.digest

    @property
    def _contexts(self) -> list[PlannedContext]:
        return [context for context in self._probe.contexts if context.length in self._lengths]

    def _segments(self, context: int) -> Sequence[int]:
        """Return the segments of a context; those of a question's golds in a control."""
        probe = self._probe
        return probe.questions[context].segments if self._control else probe.contexts[context].segment_ids


def _question(
    question: DepthQuestion,
    context: int,
    length: int = 0,
    depth: int = 0,
    n_depths: int = 1,
    other: str = "",
    gold_depths: tuple[float, ...] = (),
) -> PositionQuestion:
    return PositionQuestion(
        question=question.number,
        context=context,
        length=length,
        depth=depth,
        n_depths=n_depths,
        kind=question.kind,
        text=question.text,
        gold=question.gold,
        query=question.text,
        other=other,
        gold_depths=gold_depths,
    )


def _load(lm_eval_args: Mapping[str, Any], control: Control, tokens: TokenCounter) -> OwnTextPrompts:
    """Open the probe folder of a run.

    Raises:
        ConfigError: no folder is given, or a length that it does not have.
        ProbeError: the folder is missing, unfinished or damaged.
    """
    options = OwnTextOptions.of(lm_eval_args, NAME)
    if options.probe is None:
        raise ConfigError(f'{NAME}: needs a probe folder; pass --metadata \'{{"probe": "FOLDER"}}\'')
    probe = read_probe(Path(options.probe))
    if not control:
        warn_of_training_documents(probe.folder, options.trained_on, lm_eval_args)
    known = probe.facts.lengths
    lengths = known if options.probe_lengths is None else options.probe_lengths
    unknown = [length for length in lengths if length not in known]
    if unknown or not lengths:
        given = f"has no contexts of {unknown[0]:,} tokens" if unknown else "`probe_lengths` is empty"
        raise ConfigError(f"{options.probe}: {given}; set probe_lengths to some of {', '.join(map(str, known))}")
    return OwnTextPrompts(probe, control, lengths)


PROBE = PositionProbe(
    NAME,
    "Your own documents",
    _load,
    all_contained,
    options=OwnTextOptions,
    shorten="keep only lengths up to {length} in probe_lengths, or build the probe with shorter `lengths`",
)
