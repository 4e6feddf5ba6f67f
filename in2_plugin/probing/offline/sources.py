"""Prepare a probe for writing to files: a newly built one, or the authors' own data.

Both become the same list of questions, ordered by set and position, and a function that makes each prompt on demand.
Cost: that of building or reading; loading a tokenizer imports transformers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from in2_plugin import __version__
from in2_plugin.answer_text import answer_text
from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.errors import ProbeError
from in2_plugin.probing.offline.gold import gold_fields, question_id
from in2_plugin.probing.probes.build import build_probe
from in2_plugin.probing.probes.items import read_items
from in2_plugin.probing.probes.options import ProbeOptions
from in2_plugin.probing.probes.probe import Probe
from in2_plugin.probing.probes.tokens import load_tokens
from in2_plugin.probing.published.data import collect
from in2_plugin.probing.published.files import read_published
from in2_plugin.probing.published.tasks import check_template, count_longest, in_template

CHAT = "chat"
"""Name of the template that renders `plain` prompts with the tokenizer's chat template."""
Prompt = Callable[[int, int], str]
"""Maps (set, position) to a prompt."""


@dataclass(frozen=True, slots=True)
class OfflineQuestion:
    """One question and its gold row."""

    id: str
    set: int
    position: int
    gold_row: dict[str, Any]
    """The row for `gold.jsonl`; see `offline/gold.py`."""


@dataclass(frozen=True, slots=True)
class OfflineProbe:
    """One probe, ready to write."""

    template: str
    """plain, film or chat."""
    facts: dict[str, Any]
    """Task, length, token counts, seed, tokenizer and version, for `probe.json`."""
    questions: tuple[OfflineQuestion, ...]
    """Set by set, positions ascending."""
    prompt: Prompt


def offline_built(probe: Probe, options: ProbeOptions, tokenizer: str, template: str) -> OfflineProbe:
    """Build the contexts of `probe` for the model of `tokenizer` (a folder, or a name on the hub).

    Raises:
        ProbeError, TokenizerError: they cannot be built, or the tokenizer does not support `template`.
    """
    tokens = load_tokens({"pretrained": tokenizer}, takes_chat_template=template != "film")
    wrapped = options.model_copy(update={"probe_template": "film" if template == "film" else "plain"})
    folder = Path(options.probe_pieces) if options.probe_pieces else None
    built = build_probe(probe, read_items(probe, folder), wrapped, tokens)
    prompt, opened = _rendered(built.prompt, template, tokenizer)
    questions = []
    for index, one in enumerate(built.sets):
        for position in one.asked:
            item = one.items[position]
            questions.append(_question(probe, index, position, len(one.items), item.query, item.gold, opened))
    facts = {
        "task": probe.name,
        "length": options.probe_length,
        "seed": options.probe_seed,
        "pieces": options.probe_pieces or "bundled",
        "sets": [{"n_positions": len(one.items), "longest_prompt": one.tokens} for one in built.sets],
        "fingerprint": built.fingerprint(),
        **_common(template, tokenizer, built.longest),
    }
    return OfflineProbe(template, facts, tuple(questions), prompt)


def offline_published(probe: Probe, data: str, template: str, tokenizer: str | None) -> OfflineProbe:
    """Read the authors' own questions. With a tokenizer, tokens are counted; only the template `chat` needs one.

    Raises:
        ProbeError, TokenizerError: data or tokenizer cannot be read, or the prompts are not in FILM's template.
    """
    if template == CHAT and tokenizer is None:
        raise ProbeError("template chat is that of a tokenizer; set --tokenizer")
    found = collect(probe, read_published(probe, data))
    wrapper = "film" if template == "film" else "plain"
    check_template(found, wrapper)
    longest = None
    if tokenizer is not None:
        tokens = load_tokens({"pretrained": tokenizer}, takes_chat_template=wrapper == "plain")
        longest = count_longest(found, wrapper, tokens).longest

    def published(set_index: int, position: int) -> str:
        return in_template(wrapper, found.prompt(set_index, position))

    prompt, opened = _rendered(published, template, tokenizer)
    questions = [
        _question(
            probe, index, position, len(one.questions), asked.query, asked.gold, {"ambiguous": asked.ambiguous} | opened
        )
        for index, one in enumerate(found.sets)
        for position, asked in enumerate(one.questions)
    ]
    facts = {
        "task": probe.name,
        "data": data,
        "sets": [{"n_positions": len(one.questions)} for one in found.sets],
        "fingerprint": found.fingerprint(),
        **_common(template, tokenizer, longest),
    }
    return OfflineProbe(template, facts, tuple(questions), prompt)


def _common(template: str, tokenizer: str | None, longest: int | None) -> dict[str, Any]:
    return {"template": template, "tokenizer": tokenizer, "longest_prompt": longest, "version": __version__}


def _question(
    probe: Probe, set_index: int, position: int, n_positions: int, query: str, gold: Sequence[str],
    more: Mapping[str, Any] | None = None,
) -> OfflineQuestion:  # fmt: skip
    identity = question_id(probe, set_index, position)
    places = {"id": identity, "set_id": set_index, "position_id": position, "n_positions": n_positions}
    row = {**places, "query": query, **gold_fields(probe, gold), **(more or {})}
    return OfflineQuestion(identity, set_index, position, row)


def _rendered(prompt: Prompt, template: str, tokenizer: str | None) -> tuple[Prompt, dict[str, bool]]:
    """Return `prompt`, rendered in the tokenizer's chat template for `chat`, and what a gold row says of its end."""
    if template != CHAT or tokenizer is None:
        return prompt, {}
    render = load_tokenizer(tokenizer).render_chat
    # fails early if there is no chat template
    opened = answer_text(render([{"role": "user", "content": "a"}])) is None

    def rendered(set_index: int, position: int) -> str:
        return render([{"role": "user", "content": prompt(set_index, position)}])

    return rendered, {"opens_thought": True} if opened else {}
