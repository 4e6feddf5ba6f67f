"""Generate proper names from syllables, and apply the English spelling rules that the grammars need.

All places, people and minerals are invented, so no model has read about them.
"""

import random

from probe_items.expansion import read_rules

_SYLLABLES = read_rules("names")
_CONSONANTS = "vdrnmtl"


def place(rng: random.Random) -> str:
    """Return a town or region, such as "Kelovamere"."""
    middle = rng.choice(_SYLLABLES["middle"]) if rng.random() < 0.6 else ""
    return rng.choice(_SYLLABLES["head"]) + middle + rng.choice(_SYLLABLES["place_tail"])


def person(rng: random.Random) -> str:
    """Return a surname, such as "Thalescu"."""
    middle = rng.choice(_CONSONANTS) if rng.random() < 0.5 else ""
    return rng.choice(_SYLLABLES["head"]) + middle + rng.choice(_SYLLABLES["person_tail"])


def matter(rng: random.Random) -> str:
    """Return a mineral or compound, such as "velaxene"."""
    head, tail = rng.choice(_SYLLABLES["head"]), rng.choice(_SYLLABLES["matter_tail"])
    return f"{head}{rng.choice(_CONSONANTS)}{tail}".lower()


def plural(noun: str) -> str:
    """Return the plural of a regular noun."""
    if noun.endswith(("s", "sh", "ch", "x", "z")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def with_article(phrase: str) -> str:
    """Add the indefinite article: "a harbour", "an estuary". Correct for the words in these vocabularies."""
    return f"{'an' if phrase[0] in 'aeio' else 'a'} {phrase}"
