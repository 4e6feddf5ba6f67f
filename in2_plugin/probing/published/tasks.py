"""What lm_eval calls for `val_probe_paper_*`: the authors' own prompts, sent as they are or re-wrapped.

All rows are asked, the ambiguous ones too, because the published scoring has a list of its own; they carry a mark, and
only `avg_paper` and `gap_paper` count them. One prompt a set is tokenised to check the window, not 9,400.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from in2_plugin.config import Config
from in2_plugin.probing.lm_eval.tasks import Row, refuse_two_templates, serve
from in2_plugin.probing.probes.kinds import KINDS
from in2_plugin.probing.probes.options import PREFIX
from in2_plugin.probing.probes.order import asking_order
from in2_plugin.probing.probes.templates import TEMPLATES
from in2_plugin.probing.probes.tokens import TokenCounter, load_tokens
from in2_plugin.probing.published.data import PublishedData, collect, take_apart
from in2_plugin.probing.published.files import HUB_ID, read_published
from in2_plugin.probing.scoring.curves import span_of


class PublishedOptions(Config):
    """The `probe_*` options of `val_probe_paper_*`."""

    probe_data: str = HUB_ID
    """Dataset of the hub, folder with a copy of it, or a file."""
    probe_template: Literal["film", "plain"] = "film"
    """`film` sends the prompts as they were published, with FILM's [INST] tags; `plain` takes context and question out
    of them, for other models and for `--apply_chat_template`."""
    probe_spans: int | None = Field(default=None, ge=2)
    """Equal parts of the context that are scored apart; 16, and 15 for the database probe, when absent."""
    probe_trust_endpoint: bool = False
    """Measure behind a server that does not say how many tokens it has read."""


@dataclass(frozen=True, slots=True)
class PublishedPrompts:
    """The prompts of one probe in one template."""

    data: PublishedData
    template: str
    """`film`: as they were published; or a name of TEMPLATES."""
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
    """A published prompt as it is for `film`, else its context and question in another template."""
    if template == "film":
        return published
    return TEMPLATES[template].prompt(*take_apart(published))


def load_published(
    kind_name: str, lm_eval_args: Mapping[str, Any], argv: Sequence[str] | None = None
) -> dict[str, Any]:
    """Read the authors' data and give its rows as the split `test`.

    Args:
        kind_name: `document`, `code` or `database`.
        lm_eval_args: YAML metadata, model arguments and `--metadata` in one, as lm_eval passes them.
        argv: the command line of this process when None.

    Raises:
        ConfigError: an option is unknown, out of bounds, or contradicts the command line.
        PromptTooLong: a prompt would not fit the model's window.
        ProbeError, TokenizerError: the data or the tokenizer cannot be read.
    """
    given = {key: value for key, value in lm_eval_args.items() if key.startswith(PREFIX)}
    options = PublishedOptions.parse(given, f"val_probe_paper_{kind_name}")
    refuse_two_templates(options.probe_template, argv)
    plain = options.probe_template == "plain"
    tokens = load_tokens(lm_eval_args, takes_chat_template=plain)
    data = collect(KINDS[kind_name], read_published(kind_name, options.probe_data))
    check_template(data, options.probe_template)
    prompts = count_longest(data, options.probe_template, tokens)
    n_spans = options.probe_spans or data.kind.spans
    return serve(prompts, published_rows(data, n_spans), lm_eval_args, plain, argv)


def check_template(data: PublishedData, template: str) -> None:
    """Put every prompt into `template` once, so that a run does not fail in its middle; 0.3 s for 3,200.

    Raises:
        ProbeError: one of them cannot be taken apart.
    """
    if template != "film":
        for one in data.sets:
            for position in range(len(one.questions)):
                in_template(template, one.prompt(position))


def count_longest(data: PublishedData, template: str, tokens: TokenCounter) -> PublishedPrompts:
    """Find the longest prompt, really counted: of each set, the one whose end has most tokens."""
    found = []
    for index, one in enumerate(data.sets):
        start = one.longest_shared()
        ends = tokens.each([one.prompt(position)[start:] for position in range(len(one.questions))])
        position = max(range(len(ends)), key=ends.__getitem__)
        found.append((tokens.prompt(in_template(template, one.prompt(position))), (index, position)))
    longest, place = max(found)
    return PublishedPrompts(data, template, longest, place)


def published_rows(data: PublishedData, n_spans: int) -> list[Row]:
    """One row a question for `harness.serve`, in an order whose every beginning covers the positions evenly."""
    return [
        _row(data, set_index, position, n_spans)
        for set_index, position in asking_order([len(one.questions) for one in data.sets])
    ]


def _row(data: PublishedData, set_index: int, position: int, n_spans: int) -> Row:
    question = data.question(set_index, position)
    n_positions = len(data.sets[set_index].questions)
    echo, other = data.floors(set_index, position)
    return {
        "kind": data.kind.name,
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
