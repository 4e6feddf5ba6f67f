"""Render a chat template as transformers does: a sandboxed jinja2 program with a few functions of its own.

Environment after `transformers/utils/chat_template_utils.py` (5.16 to 5.24): `trim_blocks`, `lstrip_blocks`, `break`
and `continue`, `raise_exception`, `strftime_now`, a `tojson` that does not escape HTML, and `{% generation %}` blocks.
Cost: importing jinja2 takes 20 ms; each template is compiled once.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, nodes
from jinja2.ext import Extension, LoopControlExtension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment


class GenerationBlock(Extension):
    """Render `{% generation %}...{% endgeneration %}`, which marks an assistant's text, as its body.

    The body is a scope of its own, as in transformers: what a template sets inside is not visible after the block.
    """

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it so

    def parse(self, parser: Parser) -> nodes.Node:
        """Parse one block."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller: Any) -> str:
        return str(caller())


def render_template(
    template: str, messages: Sequence[Mapping[str, str]], add_generation_prompt: bool, variables: Mapping[str, Any]
) -> str:
    """Return a conversation as text.

    Args:
        variables: further variables of the template: `bos_token` and the other special tokens, and its own arguments.

    Raises:
        Exception: whatever the template, which is a program, raises.
    """
    return _compile(template).render(
        messages=list(messages),
        tools=None,
        documents=None,
        add_generation_prompt=add_generation_prompt,
        **variables,
    )


@lru_cache(maxsize=16)
def _compile(template: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlock, LoopControlExtension]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    return environment.from_string(template)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _strftime_now(format: str) -> str:
    return datetime.now().strftime(format)
