"""Generate entries of an invented catalogue: works, places, vessels, species, people, minor planets and more.

Rules of the published sets: label and description have 3 to 8 words, without brackets or double quotes. Our rules: all
ids have the same length, so none is a prefix of another; labels and descriptions are unique, so no wrong entry scores.
"""

import random
from collections.abc import Iterator

from probe_items.expansion import Rule, expand, read_sections
from probe_items.names import matter, person, place

WORDS = range(3, 9)
MAY_REPEAT = {"the", "of"}
_GENERA = ("Ortho Pseudo Micro Lepto Stelo Crypto Aro Chloro Brachy Tricho Meso", "cera lepis phora stoma spiza pteryx")
_EPITHETS = ("alb nigr rubr vulg mont palustr grac robust tenu mari occult", "icola ensis ata oides ifera ina ulus")


def _blend(parts: tuple[str, str]) -> Rule:
    heads, tails = (part.split() for part in parts)
    return lambda rng: rng.choice(heads) + rng.choice(tails)


def _grammar(words: dict[str, list[str]]) -> dict[str, Rule]:
    return {
        **words,
        "p": place,
        "q": place,
        "h": person,
        "m": matter,
        "y": lambda rng: str(rng.randint(1702, 2019)),
        "n": lambda rng: str(rng.randint(3, 980)),
        "lat": _blend(_GENERA),
        "ep": _blend(_EPITHETS),
    }


def _well_formed(label: str, description: str) -> bool:
    words = [word for word in label.split() if word not in MAY_REPEAT]
    has_length = all(len(text.split()) in WORDS for text in (label, description))
    return has_length and len(set(words)) == len(words)


def entities(rng: random.Random) -> Iterator[dict[str, str]]:
    """Yield an endless stream of rows of database_entities.jsonl."""
    sections = read_sections("entities")
    rules = _grammar(sections.pop("words"))
    classes = [texts for texts in sections.values() if texts]
    seen: set[str] = set()
    while True:
        texts = rng.choice(classes)
        label, description = (expand(rules, rng.choice(texts[part]), rng) for part in ("label", "description"))
        row = {"id": f"E{rng.randrange(10**7, 10**8)}", "label": label[0].upper() + label[1:], "dcpt": description}
        if seen.isdisjoint(row.values()) and _well_formed(row["label"], description):
            seen.update(row.values())
            yield row
