"""Invented proper names, and the few rules of English spelling that the grammars need.

All places, people, minerals and the like come from syllables, so that no model has read about them.
"""

import random

_PLACE_HEADS = (
    "Al Bar Bel Bor Cal Cor Dal Dor Dun Eld Fal Fen Gal Gar Hal Har Hol Ister Kar Kel Kor Lan Lor Mar Mel Mor Nar Nor "
    "Ol Or Os Pel Quor Rav Ros Sal Sel Skar Sol Tal Tarn Tev Thal Tor Ul Vas Vel Vor Wes Yar Zel"
).split()
_PLACE_MIDDLES = "a e i o an en in or ar el ova eri ami ost und isk".split()
_PLACE_TAILS = (
    "berg by dale don fell fjord ford gate grad haven heim holm ia ika ira lund mere mouth nes ona port stead sund "
    "thorpe tova vale vik wick worth"
).split()
_PEOPLE_TAILS = "aldi anko ansen arin ash aux bury call dahl eau eda elli ersen escu etti idze ikov ine man ona ot ra well".split()
_MATTER_TAILS = "alite amine andrite axene endite erine idium ilane ite olith onite orin ozine yl ylene".split()


def place(rng: random.Random) -> str:
    """A town or region: "Kelovamere"."""
    middle = rng.choice(_PLACE_MIDDLES) if rng.random() < 0.6 else ""
    return rng.choice(_PLACE_HEADS) + middle + rng.choice(_PLACE_TAILS)


def person(rng: random.Random) -> str:
    """A surname: "Thalescu"."""
    middle = rng.choice("v d r n m t l".split()) if rng.random() < 0.5 else ""
    return rng.choice(_PLACE_HEADS) + middle + rng.choice(_PEOPLE_TAILS)


def matter(rng: random.Random) -> str:
    """A mineral or compound: "velaxene"."""
    return (rng.choice(_PLACE_HEADS) + rng.choice("v d r n m t l".split()) + rng.choice(_MATTER_TAILS)).lower()


def plural(noun: str) -> str:
    """Of the last word of a regular noun."""
    if noun.endswith(("s", "sh", "ch", "x", "z")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def with_article(phrase: str) -> str:
    """ "a harbour", "an estuary"; right for the words in these vocabularies."""
    return f"{'an' if phrase[0] in 'aeio' or phrase.startswith('un') and not phrase.startswith('uni') else 'a'} {phrase}"
