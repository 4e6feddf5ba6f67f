"""What can be written as files: a probe that is built anew, or the authors' own data.

Both become the same list of questions, set by set and by position, and a way to make each prompt. Prompts are not
held. Cost: that of building or of reading; loading a tokenizer imports transformers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from in2_plugin import __version__
from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.errors import ProbeError
from in2_plugin.probing.offline.gold import gold_fields, question_id
from in2_plugin.probing.probes.build import build_probe
from in2_plugin.probing.probes.items import read_pieces
from in2_plugin.probing.probes.kinds import KINDS, Kind
from in2_plugin.probing.probes.options import ProbeOptions
from in2_plugin.probing.probes.tokens import load_tokens
from in2_plugin.probing.published.data import collect
from in2_plugin.probing.published.files import read_published
from in2_plugin.probing.published.tasks import check_template, count_longest, in_template

CHAT = "chat"
"""Template: plain, with the chat template of the tokenizer around it."""
Prompt = Callable[[int, int], str]
"""(set, position) to prompt."""


@dataclass(frozen=True, slots=True)
class OfflineQuestion:
    """One question, by place."""

    id: str
    set: int
    position: int
    gold_row: dict[str, Any]
    """What scoring needs; see `offline_gold`."""


@dataclass(frozen=True, slots=True)
class OfflineProbe:
    """One probe, ready to be written."""

    template: str
    """plain, film or chat."""
    facts: dict[str, Any]
    """What the probe is: task, length, tokens counted, seed, tokenizer, version."""
    questions: tuple[OfflineQuestion, ...]
    """Set by set, positions ascending."""
    prompt: Prompt


def built_probe(kind: Kind, options: ProbeOptions, tokenizer: str, template: str) -> OfflineProbe:
    """Build a probe for the model of `tokenizer` (a folder, or a name of the hub).

    Raises:
        ProbeError, TokenizerError: it cannot be built, or the tokenizer cannot be used for `template`.
    """
    tokens = load_tokens({"pretrained": tokenizer}, takes_chat_template=template != "film")
    wrapped = options.model_copy(update={"probe_template": "film" if template == "film" else "plain"})
    folder = Path(options.probe_pieces) if options.probe_pieces else None
    probe = build_probe(kind, read_pieces(kind, folder), wrapped, tokens)
    questions = []
    for index, one in enumerate(probe.sets):
        for position in one.asked:
            piece = one.pieces[position]
            questions.append(_question(kind.name, index, position, len(one.pieces), piece.query, piece.gold))
    facts = {
        "task": kind.name,
        "length": options.probe_length,
        "seed": options.probe_seed,
        "pieces": options.probe_pieces or "bundled",
        "sets": [{"n_positions": len(one.pieces), "longest_prompt": one.tokens} for one in probe.sets],
        "fingerprint": probe.fingerprint(),
        **_common(template, tokenizer, probe.longest),
    }
    return OfflineProbe(template, facts, tuple(questions), _rendered(probe.prompt, template, tokenizer))


def published_probe(kind_name: str, data: str, template: str, tokenizer: str | None) -> OfflineProbe:
    """The authors' own questions. Tokens are counted when a tokenizer is given; nothing else needs one but `chat`.

    Raises:
        ProbeError, TokenizerError: data or tokenizer cannot be read, or the prompts are not in FILM's template.
    """
    if template == CHAT and tokenizer is None:
        raise ProbeError("template chat is the tokenizer's own; give one with --tokenizer")
    found = collect(KINDS[kind_name], read_published(kind_name, data))
    wrapper = "film" if template == "film" else "plain"
    check_template(found, wrapper)
    longest = None
    if tokenizer is not None:
        tokens = load_tokens({"pretrained": tokenizer}, takes_chat_template=wrapper == "plain")
        longest = count_longest(found, wrapper, tokens).longest
    questions = [
        _question(
            kind_name, index, position, len(one.questions), asked.query, asked.gold, {"ambiguous": asked.ambiguous}
        )
        for index, one in enumerate(found.sets)
        for position, asked in enumerate(one.questions)
    ]
    facts = {
        "task": kind_name,
        "data": data,
        "sets": [{"n_positions": len(one.questions)} for one in found.sets],
        "fingerprint": found.fingerprint(),
        **_common(template, tokenizer, longest),
    }

    def prompt(set_index: int, position: int) -> str:
        return in_template(wrapper, found.prompt(set_index, position))

    return OfflineProbe(template, facts, tuple(questions), _rendered(prompt, template, tokenizer))


def _common(template: str, tokenizer: str | None, longest: int | None) -> dict[str, Any]:
    return {"template": template, "tokenizer": tokenizer, "longest_prompt": longest, "version": __version__}


def _question(
    kind_name: str, set_index: int, position: int, n_positions: int, query: str, gold: Sequence[str],
    more: Mapping[str, Any] | None = None,
) -> OfflineQuestion:  # fmt: skip
    identity = question_id(kind_name, set_index, position)
    places = {"id": identity, "set_id": set_index, "position_id": position, "n_positions": n_positions}
    row = {**places, "query": query, **gold_fields(kind_name, gold), **(more or {})}
    return OfflineQuestion(identity, set_index, position, row)


def _rendered(prompt: Prompt, template: str, tokenizer: str | None) -> Prompt:
    """`prompt`, in the tokenizer's chat template where that is asked for."""
    if template != CHAT or tokenizer is None:
        return prompt
    render = load_tokenizer(tokenizer).render_chat
    render([{"role": "user", "content": "a"}])  # fails here if there is no chat template
    return lambda set_index, position: render([{"role": "user", "content": prompt(set_index, position)}])
