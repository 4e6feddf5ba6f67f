"""Format numbers and lists as text, for every part of the report.

Invariant: page, terminal and picture format a value by the same function, so they always agree.
"""

from collections.abc import Sequence

from in2_plugin.probing.scoring.dip import PositionEstimate
from in2_plugin.probing.scoring.statistics import FlatGap, Interval
from in2_plugin.reporting.results import ProbeKey

ABSENT = "–"


def percent(fraction: float) -> str:
    """Format a fraction of one as percent with one decimal, as the paper prints it."""
    return f"{100 * fraction:.1f}"


def percent_or_absent(fraction: float | None) -> str:
    return ABSENT if fraction is None else percent(fraction)


def signed(fraction: float) -> str:
    """Format a difference in points, with its sign."""
    return f"{100 * fraction:+.1f}"


def interval(limits: Interval | None, is_difference: bool = False) -> str:
    """`[83.1, 87.0]`; empty where there is none."""
    if limits is None:
        return ""
    low, high = (signed(limit) if is_difference else percent(limit) for limit in limits)
    return f"[{low}, {high}]"


def with_interval(fraction: float, limits: Interval | None, is_difference: bool = False) -> str:
    """`85.4 [83.1, 87.0]`."""
    value = signed(fraction) if is_difference else percent(fraction)
    return f"{value} {interval(limits, is_difference)}".rstrip()


def estimate(found: PositionEstimate | None) -> tuple[str, str]:
    """Format a signed estimate and its interval; a dash where there is none."""
    return (ABSENT, "") if found is None else (signed(found.value), interval(found.interval, is_difference=True))


def tokens(length: int) -> str:
    """`32K` for whole thousands of 1,024 tokens, otherwise the number."""
    return f"{length // 1024}K" if length % 1024 == 0 else f"{length:,}"


def chance(flat: FlatGap) -> str:
    """State the p-value in words: how many of the flat models have a gap as large."""
    return f"{flat.at_least:,} of {flat.draws:,}" if flat.at_least else f"none of {flat.draws:,}"


def probe_name(key: ProbeKey, with_length: bool) -> str:
    """`code`, `code at 4K`, `code without context`, `code forward`, `code on the authors' data`."""
    family = {
        "": "",
        "closed_book": " without context",
        "gold_only": " with the gold alone",
        "matrix": f" {key.pattern}",
        "paper": " on the authors' data",
    }
    length = f" at {tokens(key.length)}" if with_length else ""
    return f"{key.task}{family[key.family]}{length}"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
