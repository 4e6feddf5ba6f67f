"""Hypothesis strategies for whatever a server may send where a known form of JSON is expected."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

KEYS = st.sampled_from(["id", "data", "error", "message", "content", "text", "code", "choices", "usage", "x"])
TEXTS = st.one_of(st.text(max_size=8), st.sampled_from(["\ud800", "secret-key", "", "<think>", "9" * 5_000]))
SCALARS = st.one_of(
    st.none(), st.booleans(), st.floats(), st.integers(-5, 5), st.sampled_from([10**30, -(10**400), 2**63]), TEXTS
)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)


def paths(value: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every part of a value, its own first."""
    yield ()
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from ((key, *path) for path in paths(inner))


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """Return a copy of `value` with `other` at `path`."""
    if not path:
        return other
    copied = value.copy()
    copied[path[0]] = replaced(value[path[0]], path[1:], other)
    return copied


def damaged(valid: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for `valid` with any JSON in the place of one or two of its parts."""

    def once(value: Any) -> st.SearchStrategy[Any]:
        return st.builds(
            lambda path, other: replaced(value, path, other), st.sampled_from(list(paths(value))), ANY_JSON
        )

    return st.one_of(ANY_JSON, once(valid), once(valid).flatmap(once))


def line(value: Any) -> bytes:
    """Return a value as a line of JSON; surrogates and NaN are written as Python's JSON does."""
    return json.dumps(value).encode()
