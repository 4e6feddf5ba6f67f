"""The published scoring of the published data, exactly: what the paper's table of VAL probing was made with.

It differs from ours (`curves.py`) in two ways (paper fact: microsoft/FILM, VaLProbing/plot.py): the last of every 50
positions is never scored, because a loop ends one short, and rows on a list are left out, whose quoted part occurs
more than once in its context. Invariant: `published_curve` comes from every question that the authors scored, or not
at all; only `curve_of_asked` takes less.
"""

from collections.abc import Sequence

from in2_plugin.errors import ProbeError
from in2_plugin.probing.scoring.curves import Curve, Scored, curve, curve_from_positions
from in2_plugin.probing.scoring.scores import SetScores

SETS = 4
SPAN = 50
"""Positions of a span."""
POSITIONS = {"document": 800, "code": 800, "database": 750}
"""Items of every context, all of them asked for."""

_CODE = """
    8 17 51 73 77 134 150 181 184 189 197 225 246 255 258 301 310 314 315 325 336 349 360 386 390 393 418 424 444
    463 466 480 492 493 495 502 505 506 536 537 541 560 573 580 584 591 593 596 599 607 609 618 625 626 627 633 636
    637 639 682 688 697 706 726 729 776 777 793 805 806 810 811 815 822 824 827 829 836 844 847 849 862 869 882 883
    885 895 908 917 921 933 942 943 949 974 977 996 1000 1014 1022 1041 1042 1049 1057 1058 1087 1125 1129 1132 1145
    1162 1186 1207 1224 1235 1237 1257 1273 1280 1291 1295 1297 1298 1306 1307 1314 1316 1323 1324 1336 1337 1338
    1360 1363 1367 1373 1382 1386 1415 1416 1443 1444 1448 1457 1469 1471 1476 1499 1512 1515 1516 1524 1528 1532
    1547 1585 1617 1638 1646 1648 1651 1660 1670 1679 1682 1717 1728 1742 1752 1753 1757 1767 1769 1771 1774 1802
    1810 1817 1838 1839 1844 1851 1853 1880 1898 1918 1921 1935 1938 1943 1948 1953 1957 1962 1963 1975 1993 1998
    2009 2058 2059 2063 2071 2099 2106 2117 2127 2131 2155 2172 2181 2182 2183 2189 2197 2198 2208 2215 2218 2222
    2228 2236 2240 2257 2260 2261 2275 2279 2283 2288 2298 2328 2329 2337 2346 2347 2350 2358 2364 2370 2373 2395
    2407 2414 2417 2450 2459 2462 2473 2485 2524 2528 2568 2587 2615 2627 2635 2636 2653 2661 2664 2675 2688 2699
    2706 2718 2757 2769 2791 2794 2795 2799 2808 2812 2813 2814 2820 2823 2831 2835 2836 2839 2845 2870 2879 2895
    2900 2901 2902 2908 2918 2931 2932 2941 2943 2947 2949 2959 2961 2964 2968 2970 3045 3057 3064 3089 3120 3121
    3131 3146 3151 3174 3188
"""
SKIPPED: dict[str, frozenset[int]] = {
    "document": frozenset(),
    "code": frozenset(map(int, _CODE.split())),
    "database": frozenset((774, 1126)),
}
"""Rows that are left out, by set * POSITIONS + position (VaLProbing-32K/*_skip_list.json)."""


def is_scored(kind_name: str, set_index: int, position: int) -> bool:
    """Whether the published scoring counts this question."""
    last_of_span = position % SPAN == SPAN - 1
    return not last_of_span and set_index * POSITIONS[kind_name] + position not in SKIPPED[kind_name]


def published_curve(kind_name: str, sets: Sequence[SetScores]) -> Curve:
    """The curve of the published scoring; raises as `published_scores` does."""
    rows = (
        (score, position, one.n_positions, one.set)
        for one in published_scores(kind_name, sets)
        for position, score in zip(one.positions, one.scores, strict=True)
    )
    return curve_from_positions(rows, POSITIONS[kind_name] // SPAN)


def curve_of_asked(kind_name: str, sets: Sequence[SetScores]) -> Curve:
    """The same rule for only some of the questions, or for contexts of another size, which have no list.

    Raises:
        ProbeError: it counts none of them.
    """
    published_size = all(one.n_positions == POSITIONS[kind_name] for one in sets)
    rows = [
        Scored(score, one.set, position // SPAN)
        for one in sets
        for position, score in zip(one.positions, one.scores, strict=True)
        if (is_scored(kind_name, one.set, position) if published_size else position % SPAN != SPAN - 1)
    ]
    return curve(rows, 1 + max((row.span for row in rows), default=0))


def published_scores(kind_name: str, sets: Sequence[SetScores]) -> tuple[SetScores, ...]:
    """What the published scoring counts of `sets`. Positions that it never counts may be missing.

    Raises:
        ProbeError: the scores are not of four contexts of the published size, or of only some of the questions.
    """
    _refuse_other_data(kind_name, sets)
    counted = tuple(_counted(kind_name, one) for one in sets)
    found = sum(len(one.positions) for one in counted)
    wanted = sum(
        is_scored(kind_name, index, position) for index in range(SETS) for position in range(POSITIONS[kind_name])
    )
    if found < wanted:
        raise ProbeError(
            f"the published scoring of the {kind_name} probe needs answers to {wanted:,} questions and "
            f"{wanted - found:,} are missing; ask all of them, without `--limit`"
        )
    return counted


def _counted(kind_name: str, one: SetScores) -> SetScores:
    kept = [
        (position, score)
        for position, score in zip(one.positions, one.scores, strict=True)
        if is_scored(kind_name, one.set, position)
    ]
    return SetScores(one.set, one.n_positions, tuple(place for place, _ in kept), tuple(score for _, score in kept))


def _refuse_other_data(kind_name: str, sets: Sequence[SetScores]) -> None:
    n = POSITIONS.get(kind_name)
    if n is None:
        raise ProbeError(f"nothing was published for the {kind_name} probe; there are {', '.join(POSITIONS)}")
    found = [(one.set, one.n_positions) for one in sets]
    if found != [(index, n) for index in range(SETS)]:
        there = ", ".join(f"set {index} with {size}" for index, size in found) or "none"
        raise ProbeError(
            f"the published scoring of the {kind_name} probe is for sets 0 to {SETS - 1} of {n} positions, and these "
            f"are {there}; score them without it"
        )
