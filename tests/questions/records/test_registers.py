"""Registers: all identifiers different, and a page's records found again by its text."""

from in2_plugin.questions.records.page_text import FORMS
from in2_plugin.questions.records.registers import MOST_REGISTERS, RECORDS, SUBJECTS, invent_register


def test_identifiers_of_all_records_are_different():
    registers = [invent_register(number, 0) for number in range(40)]
    found = [one for register in registers for place in range(20) for one in register.record(place)]
    assert len(set(found)) == len(found)


def test_the_fields_of_a_subject_have_different_kinds_and_labels():
    for fields in SUBJECTS:
        assert len({kind for _, kind in fields}) == len({label for label, _ in fields}) == len(fields) == 3
    assert len({label for fields in SUBJECTS for label, _ in fields}) > 40


def test_a_register_is_the_same_whenever_it_is_invented():
    assert invent_register(3, 0) == invent_register(3, 0)
    assert invent_register(3, 0) != invent_register(3, 1)
    last = invent_register(MOST_REGISTERS - 1, 0)
    assert all(last.record(RECORDS - 1))


def test_registers_have_every_form_and_one_or_two_values():
    registers = [invent_register(number, 0) for number in range(200)]
    assert {register.style.form for register in registers} == set(FORMS)
    assert {len(register.fields) for register in registers} == {2, 3}
    assert {register.fields[0] for register in registers} == {fields[0] for fields in SUBJECTS}


def page_of(register, records) -> str:
    items = [register.style.item(register.labels, record) for record in records]
    return register.style.page(register.labels, items)


def test_the_records_of_a_page_are_found_by_its_text():
    for number in range(30):
        register = invent_register(number, 0)
        records = [register.record(place) for place in range(9)]
        pages = [page_of(register, some) for some in (records[:4], records[4:9])]
        assert [register.records_on(page) for page in pages] == [records[:4], records[4:9]]
    assert register.records_on("another page") == []
