"""A tiny grammar: a rule is a list of alternatives; `<name>` in one is replaced by a draw from another rule.

`<name:tag>` remembers its draw, so that the same tag gives the same words again in one text.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence

Rule = Sequence[str] | Callable[[random.Random], str]
_SYMBOL = re.compile(r"<([a-z_]+)(?::(\w+))?>")


def expand(rules: Mapping[str, Rule], text: str, rng: random.Random) -> str:
    """Replace every symbol of `text`, and those that the replacements bring, until none is left."""
    known: dict[str, str] = {}

    def draw(found: re.Match[str]) -> str:
        name, tag = found.group(1), found.group(2)
        key = f"{name}:{tag}"
        if tag and key in known:
            return known[key]
        rule = rules[name]
        drawn = _SYMBOL.sub(draw, rule(rng) if callable(rule) else rng.choice(rule))
        if tag:
            known[key] = drawn
        return drawn

    return _SYMBOL.sub(draw, text)
