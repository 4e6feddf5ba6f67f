"""Identifiers: all different, the same in every process, and none inside another."""

import re
import uuid

import pytest

from in2_plugin.questions.records.identifiers import (
    FIRST_ENDS,
    FIRST_STARTS,
    LAST_ENDS,
    LAST_STARTS,
    MOST_INDICES,
    IdentifierKind,
    identifier,
    scattered,
)

FORMS = {
    IdentifierKind.NAME: r"[A-Z][a-z]+ [A-Z][a-z]+",
    IdentifierKind.NUMBER: r"[1-9]\d{6}",
    IdentifierKind.CODE: r"[A-HJ-NP-Z]{2}-\d{5}",
    IdentifierKind.UUID: r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
}


@pytest.mark.parametrize("size", [1, 2, 3, 10, 64, 1_000])
def test_scattering_is_one_to_one_and_out_of_order(size):
    found = [scattered(i, size, "key") for i in range(size)]
    assert sorted(found) == list(range(size))
    assert size < 4 or found != sorted(found)
    assert size < 64 or found != [scattered(i, size, "other") for i in range(size)]


@pytest.mark.parametrize("kind", IdentifierKind)
def test_identifiers_of_a_kind_are_different_and_have_its_form(kind):
    found = [identifier(kind, index, 42) for index in [*range(1_000), *range(MOST_INDICES - 1_000, MOST_INDICES)]]
    assert len(set(found)) == 2_000
    assert all(re.fullmatch(FORMS[kind], one) for one in found)
    assert found != [identifier(kind, index, 43) for index in range(2_000)]


def test_they_do_not_depend_on_the_process():
    assert [identifier(kind, 7, 42) for kind in IdentifierKind] == [
        "Fenida Maplegate", "8723331", "QQ-31776", "66a14451-3506-4e17-9d4e-6507e37cebb1",
    ]  # fmt: skip


def test_uuids_are_random_ones():
    found = uuid.UUID(identifier(IdentifierKind.UUID, 0, 42))
    assert (found.version, found.variant) == (4, uuid.RFC_4122)


def test_parts_of_names_spell_each_name_in_one_way():
    for starts, ends in ((FIRST_STARTS, FIRST_ENDS), (LAST_STARTS, LAST_ENDS)):
        names = [start + end for start in starts for end in ends]
        assert len(set(names)) == len(names)
