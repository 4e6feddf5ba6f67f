"""Expand a small grammar: a rule is a list of alternatives, and `<name>` is replaced by a draw from another rule.

`<name:tag>` reuses its draw, so the same tag gives the same words within one text. Grammars are text files with lines
`name: one|another`, continued on indented lines. A file of several grammars has `# section` headings.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Rule = Sequence[str] | Callable[[random.Random], str]
_SYMBOL = re.compile(r"<([A-Za-z_]+)(?::(\w+))?>")


def read_sections(name: str) -> dict[str, dict[str, list[str]]]:
    """Return the grammars in `name`.txt by section; section "" has the rules before the first heading."""
    sections: dict[str, dict[str, list[str]]] = {"": {}}
    rules, alternatives = sections[""], []
    for line in (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            rules = sections[line[2:]] = {}
        elif line.strip():
            rule, _, texts = ("", "", line) if line.startswith(" ") else line.partition(":")
            alternatives = rules.setdefault(rule, []) if rule else alternatives
            alternatives += [text for text in texts.strip().split("|") if text]
    return sections


def read_rules(name: str) -> dict[str, list[str]]:
    """Return the only grammar in `name`.txt."""
    return read_sections(name)[""]


def expand(rules: Mapping[str, Rule], text: str, rng: random.Random) -> str:
    """Replace the symbols of `text`, and recursively those in the replacements."""
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
