"""Generate functions with bodies of three lines that look like code of real modules.

Rules of the published items: names are unique and have 8 to 16 characters, body lines have 8 to 32, and the question
quotes the middle line. Our rule: a middle line is unique and not part of any other line, so no query is ambiguous.
"""

import random
from collections.abc import Iterator

from probe_items.expansion import Rule, expand, read_rules

NAME_CHARACTERS = range(8, 17)
LINE_CHARACTERS = range(8, 33)
LINE_BREAK = " ;; "
NUMBERS = (2, 3, 4, 5, 7, 8, 10, 12, 16, 24, 32, 48, 60, 64, 90, 100, 128, 255, 256, 360, 512, 900)


def _grammar() -> dict[str, Rule]:
    rules = read_rules("functions")
    numbers: dict[str, Rule] = {
        "num": lambda rng: str(rng.choice(NUMBERS)),
        "dec": lambda rng: f"{rng.choice([0, 0, 0, 1, 2])}.{rng.randint(1, 99):02d}",
        "s": [f"{noun}s" for noun in rules["n"] if not noun.endswith(("s", "x", "h", "y"))],
        "N": [noun.capitalize() for noun in rules["n"]],
    }
    return {**rules, **numbers}


def functions(rng: random.Random) -> Iterator[dict[str, str]]:
    """Yield an endless stream of rows of code_functions.jsonl; names are unique, but middle lines may repeat."""
    rules = _grammar()
    seen: set[str] = set()
    while True:
        name, lines = expand(rules, "<name>", rng), expand(rules, "<body>", rng).split(LINE_BREAK)
        if len(name) not in NAME_CHARACTERS or name in seen or any(len(line) not in LINE_CHARACTERS for line in lines):
            continue
        seen.add(name)
        body = "\n".join(f"    {line}" for line in lines)
        yield {"function_name": name, "function_define": body, "piece": lines[1]}
