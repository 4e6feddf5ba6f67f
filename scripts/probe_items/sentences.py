"""Generate sentences of invented abstracts from ten research domains and about fifty sentence patterns.

A sentence uses the vocabulary of one domain, so that it is coherent. Rules of the published items: 17 to 31 words, a
single full stop at the end, a quoted part of exactly eight consecutive words. Our rule: no two sentences share eight
consecutive words.
"""

import random
from collections.abc import Iterator

from probe_items.expansion import Rule, expand, read_rules, read_sections
from probe_items.names import matter, person, place, plural, with_article

WORDS = range(17, 32)
QUOTED_WORDS = 8
LONG_WORD = 6
"""A word with at least this many letters must not occur twice in a sentence."""
MATERIAL = {"water", "materials", "manuscripts", "archaeology"}
"""Domains whose objects can contain traces of a mineral or be treated with one."""


def _grammar(domain: str, nouns: dict[str, list[str]]) -> dict[str, Rule]:
    """Combine the common rules with the nouns of one domain in the forms that the rules need."""
    common = read_rules("sentences")
    for name in ("shape", "clause"):
        common[name] = [text for text in common[name] if domain in MATERIAL or "<matter>" not in text]
    rules: dict[str, Rule] = {
        **common,
        "place": place,
        "person": person,
        "matter": matter,
        "percent": lambda rng: str(rng.randint(3, 88)),
        "number": lambda rng: str(rng.randint(20, 900)),
        "year": lambda rng: str(rng.randint(1804, 1940)),
        "later": lambda rng: str(rng.randint(1941, 2019)),
        "thing": nouns["things"],
        "things": [plural(noun) for noun in nouns["things"]],
        "other": [plural(noun) for noun in nouns["things"]],
        "thing_a": lambda rng: with_article(rng.choice(nouns["things"])),
        "adj": nouns["adjectives"],
        "bare_quantity": nouns["quantities"],
        "quantity": ["the <bare_quantity>", "<bare_quantity>", "the <bare_quantity> of <adj> <things>"],
        "method": nouns["methods"],
        "instrument": lambda rng: with_article(rng.choice(nouns["instruments"])),
        "event": nouns["events"],
        "feature": nouns["features"],
    }
    return rules


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _repeats_itself(words: list[str]) -> bool:
    long_words = [word.strip(",;:").lower() for word in words if len(word) >= LONG_WORD]
    return len(set(long_words)) < len(long_words)


def sentences(rng: random.Random) -> Iterator[dict[str, str]]:
    """Yield an endless stream of rows of document_sentences.jsonl; every possible quoted part is equally likely."""
    domains = {name: nouns for name, nouns in read_sections("domains").items() if nouns}
    grammars = [_grammar(name, nouns) for name, nouns in domains.items()]
    seen: set[tuple[str, ...]] = set()
    while True:
        words = _capital(expand(rng.choice(grammars), "<shape>", rng)).split()
        starts = range(len(words) - QUOTED_WORDS + 1)
        bare = [word.strip(",;:") for word in words]
        eights = {tuple(bare[i : i + QUOTED_WORDS]) for i in starts}
        if len(words) not in WORDS or _repeats_itself(words) or eights & seen:
            continue
        seen |= eights
        start = rng.choice(starts)
        yield {"sentence": f"{' '.join(words)}.", "piece": " ".join(words[start : start + QUOTED_WORDS])}
