"""Invent identifiers: names of persons, numbers, codes and UUIDs.

Invariant: identifier `index` of a kind is a pure function of seed and index, and no two indices below `MOST_INDICES`
have the same one (UUIDs: none among 10^12, by chance), so any process can invent any record and no table of used
identifiers is needed. Cost: 5 to 30 us.
"""

from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b

FIRST_STARTS = (
    "Ab", "Al", "An", "Bel", "Ber", "Bran", "Cal", "Cor", "Dan", "Del", "Dor", "El", "Em", "Fen", "Fer", "Gal", "Gor",
    "Han", "Hel", "Il", "Is", "Jar", "Jor", "Kal", "Ker", "Lan", "Lor", "Mal", "Mar", "Mer", "Nel", "Nor", "Ol", "Or",
    "Per", "Pel", "Quen", "Ral", "Ror", "Sal", "Ser", "Tal", "Tor", "Ul", "Var", "Vel", "Wen", "Yor",
)  # fmt: skip
FIRST_ENDS = (
    "a", "ace", "ad", "ael", "aina", "am", "an", "ard", "as", "ea", "ek", "ena", "enn", "eth", "ette", "ia", "ian",
    "ic", "ida", "iel", "in", "ina", "is", "ius", "ola", "on", "ora", "os", "una", "us", "wen", "win",
)  # fmt: skip
LAST_STARTS = (
    "Alder", "Amber", "Ash", "Barrow", "Beck", "Birch", "Black", "Bram", "Brook", "Calder", "Carver", "Chard", "Cliff",
    "Cold", "Copper", "Crane", "Dale", "Deep", "Draper", "Dun", "East", "Elder", "Ember", "Fair", "Fallow", "Fern",
    "Flint", "Fox", "Glen", "Gold", "Granger", "Green", "Hale", "Harrow", "Hart", "Haw", "Hazel", "Heather", "Holm",
    "Iron", "Juniper", "Kestrel", "Kings", "Lark", "Linden", "Long", "Maple", "Marsh", "Mason", "Mill", "Moor", "North",
    "Oak", "Otter", "Pen", "Pine", "Quarry", "Raven", "Red", "Ridge", "Rook", "Rose", "Rush", "Sand", "Silver", "Slate",
    "South", "Stan", "Stone", "Summer", "Swan", "Tanner", "Thorn", "Under", "Vale", "Wake", "West", "Whit", "Willow",
    "Winter",
)  # fmt: skip
LAST_ENDS = (
    "acre", "bank", "barn", "beck", "borne", "bourne", "bridge", "brook", "burn", "by", "cliffe", "combe", "cote",
    "croft", "dale", "dean", "den", "don", "ell", "fell", "field", "ford", "gate", "grave", "ham", "hill", "holme",
    "hurst", "ing", "ison", "land", "leigh", "ley", "low", "man", "marsh", "mere", "more", "mouth", "ness", "old",
    "over", "pool", "port", "rick", "ridge", "row", "sett", "shaw", "smith", "stead", "stock", "stone", "stow",
    "sworth", "thorpe", "ton", "tree", "wade", "way", "well", "wick", "wood", "worth",
)  # fmt: skip
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Of codes; without I and O, which read as digits."""
NAMES = len(FIRST_STARTS) * len(FIRST_ENDS) * len(LAST_STARTS) * len(LAST_ENDS)
NUMBERS = range(1_000_000, 10_000_000)
CODES = len(LETTERS) ** 2 * 100_000
MOST_INDICES = min(NAMES, len(NUMBERS), CODES)
ROUNDS = 4


class IdentifierKind(StrEnum):
    """Kinds of identifiers."""

    NAME = "name"
    NUMBER = "number"
    CODE = "code"
    UUID = "uuid"


@lru_cache(4_096)  # a writer looks for both pages of a register from its first record
def identifier(kind: IdentifierKind, index: int, seed: int) -> str:
    """Return identifier `index`, below MOST_INDICES, of a kind."""
    key = f"{seed} {kind}"
    if kind is IdentifierKind.UUID:
        return _uuid(_hash(key, index))
    if kind is IdentifierKind.NUMBER:
        return str(NUMBERS[scattered(index, len(NUMBERS), key)])
    if kind is IdentifierKind.CODE:
        letters, digits = divmod(scattered(index, CODES, key), 100_000)
        return f"{LETTERS[letters // len(LETTERS)]}{LETTERS[letters % len(LETTERS)]}-{digits:05d}"
    return _name(scattered(index, NAMES, key))


def scattered(index: int, size: int, key: str) -> int:
    """Map the numbers below `size` one to one to each other, in an order that looks random and depends on `key`.

    A Feistel network on the bits of the number, repeated until the result is below `size` (cycle walking; Black and
    Rogaway 2002).
    """
    half = ((size - 1).bit_length() + 1) // 2
    mask = (1 << half) - 1
    while True:
        left, right = index >> half, index & mask
        for number in range(ROUNDS):
            left, right = right, left ^ (_hash(f"{key} {number}", right) & mask)
        index = left << half | right
        if index < size:
            return index


def _hash(key: str, number: int) -> int:
    """Return 128 bits."""
    return int.from_bytes(blake2b(f"{key} {number}".encode(), digest_size=16).digest(), "big")


def _uuid(bits: int) -> str:
    # the version and variant of a random UUID (RFC 9562, section 5.4)
    bits = bits & ~(0xF << 76) & ~(0x3 << 62) | 0x4 << 76 | 0x2 << 62
    digits = f"{bits:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _name(number: int) -> str:
    number, last_end = divmod(number, len(LAST_ENDS))
    number, last_start = divmod(number, len(LAST_STARTS))
    first_start, first_end = divmod(number, len(FIRST_ENDS))
    return f"{FIRST_STARTS[first_start]}{FIRST_ENDS[first_end]} {LAST_STARTS[last_start]}{LAST_ENDS[last_end]}"
