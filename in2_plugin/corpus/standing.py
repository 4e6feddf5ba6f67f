"""Whether the tokens of a segment let it be used."""

from enum import IntEnum


class Standing(IntEnum):
    """Whether a segment may be used, and if not, why."""

    USABLE = 0
    DEPENDS_ON_NEIGHBOUR = 1
    SPELLS_SPECIAL_TOKEN = 2
