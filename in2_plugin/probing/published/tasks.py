"""Load the tasks `val_probe_paper_*`: the authors' own prompts, unchanged or in another template.

All questions are asked, the ambiguous ones too, because the published scoring has its own skip list; ambiguous rows are
marked, and only `avg_paper` and `gap_paper` count them. One prompt per set is tokenized to check the window, not 9,400.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from in2_plugin.config import Config
from in2_plugin.probing.lm_eval.command_line import Invocation
from in2_plugin.probing.lm_eval.tasks import Row, power_line, refuse_wrong_template, serve
from in2_plugin.probing.probes.options import PREFIX
from in2_plugin.probing.probes.order import question_order
from in2_plugin.probing.probes.registry import PROBES
from in2_plugin.probing.probes.templates import TEMPLATES
from in2_plugin.probing.probes.tokens import TokenCounter, load_tokens
from in2_plugin.probing.published.data import PublishedData, collect, split_prompt
from in2_plugin.probing.published.files import HUB_ID, read_published
from in2_plugin.probing.scoring.curves import span_of
from in2_plugin.probing.scoring.thoughts import GivenThoughts

_LOG = logging.getLogger(__name__)


class PublishedOptions(Config):
    """The `probe_*` options of `val_probe_paper_*`."""

    probe_data: str = HUB_ID
    """Dataset on the hub, folder with a copy of it, or a file."""
    probe_template: Literal["film", "plain"] = "film"
    """`film` sends the prompts as published, with FILM's [INST] tags; `plain` takes context and question from them, for
    other models and for `--apply_chat_template`."""
    probe_spans: int | None = Field(default=None, ge=2)
    """Equal parts of the context that are scored separately; 16, and 15 for the database probe, when absent."""
    probe_trust_endpoint: bool = False
    """Measure even when the server does not report how many tokens it has read."""
    probe_thoughts: GivenThoughts = "auto"
    """As in `ProbeOptions`."""


@dataclass(frozen=True, slots=True)
class PublishedPrompts:
    """The prompts of one probe in one template."""

    data: PublishedData
    template: str
    """`film` for the prompts as published, or another key of TEMPLATES."""
    longest: int
    """Tokens of the longest prompt, without the answer."""
    longest_at: tuple[int, int]
    """Set and position of that prompt."""

    def prompt(self, set_index: int, position: int) -> str:
        return in_template(self.template, self.data.prompt(set_index, position))

    def longest_prompt(self) -> str:
        return self.prompt(*self.longest_at)

    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self.template} {self.data.fingerprint()}".encode()).hexdigest()[:16]


def in_template(template: str, published: str) -> str:
    """Return a published prompt unchanged for `film`, else its context and question in another template."""
    if template == "film":
        return published
    return TEMPLATES[template].prompt(*split_prompt(published))


def load_published(name: str, lm_eval_args: Mapping[str, Any], invocation: Invocation) -> dict[str, Any]:
    """Read the authors' data and return its rows as the split `test`.

    Args:
        name: one of the paper's probes.
        lm_eval_args: YAML metadata, model arguments and `--metadata` in one dictionary, as lm_eval passes them.
        invocation: the command line of lm_eval.

    Raises:
        ConfigError: an option is unknown, out of bounds, or contradicts the command line.
        PromptTooLong: a prompt would not fit the model's window.
        ProbeError, TokenizerError: the data or the tokenizer cannot be read.
    """
    given = {key: value for key, value in lm_eval_args.items() if key.startswith(PREFIX)}
    options = PublishedOptions.parse(given, f"val_probe_paper_{name}")
    refuse_wrong_template(options.probe_template, lm_eval_args, invocation)
    plain = options.probe_template == "plain"
    tokens = load_tokens(lm_eval_args, takes_chat_template=plain)
    data = collect(PROBES[name], read_published(PROBES[name], options.probe_data))
    check_template(data, options.probe_template)
    prompts = count_longest(data, options.probe_template, tokens)
    n_spans = options.probe_spans or data.probe.spans
    rows = published_rows(data, n_spans)
    _LOG.info("%s", power_line(rows, invocation.limit))
    return serve(prompts, rows, lm_eval_args, plain, invocation)


def check_template(data: PublishedData, template: str) -> None:
    """Render every prompt in `template` once, so that a run cannot fail halfway; 0.3 s for 3,200.

    Raises:
        ProbeError: a prompt is not in FILM's template.
    """
    if template != "film":
        for one in data.sets:
            for position in range(len(one.questions)):
                in_template(template, one.prompt(position))


def count_longest(data: PublishedData, template: str, tokens: TokenCounter) -> PublishedPrompts:
    """Find the longest prompt and count it exactly: per set, the prompt whose end has the most tokens."""
    found = []
    for index, one in enumerate(data.sets):
        start = one.longest_shared()
        ends = tokens.each([one.prompt(position)[start:] for position in range(len(one.questions))])
        position = max(range(len(ends)), key=ends.__getitem__)
        found.append((tokens.prompt(in_template(template, one.prompt(position))), (index, position)))
    longest, place = max(found)
    return PublishedPrompts(data, template, longest, place)


def published_rows(data: PublishedData, n_spans: int) -> list[Row]:
    """Return one row per question, in an order whose every prefix covers the positions evenly."""
    return [
        _row(data, set_index, position, n_spans)
        for set_index, position in question_order([len(one.questions) for one in data.sets])
    ]


def _row(data: PublishedData, set_index: int, position: int, n_spans: int) -> Row:
    question = data.question(set_index, position)
    n_positions = len(data.sets[set_index].questions)
    echo, other = data.baselines(set_index, position)
    return {
        "kind": data.probe.name,
        "set": set_index,
        "position": position,
        "n_positions": n_positions,
        "span": span_of(position, n_positions, n_spans),
        "n_spans": n_spans,
        "query": question.query,
        "gold": list(question.gold),
        "echo": echo,
        "other": other,
        "ambiguous": question.ambiguous,
    }
