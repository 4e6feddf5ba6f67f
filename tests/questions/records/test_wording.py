"""Wordings: complete, in English, and none of a probe's."""

import re
from string import Formatter

import pytest

from in2_plugin.probing.position import litm_kv, niah_text
from in2_plugin.probing.probes.builtin import BUILTIN
from in2_plugin.questions.records.page_text import SENTENCES
from in2_plugin.questions.records.wording import ONE, TWO, question_text, relation_of

LABELS = ("employee", "badge number", "locker")
SHARED_WORDS = 4
"""Words in a row that no question shares with one of a probe; "what is the" is in both."""


@pytest.mark.parametrize(
    ("given", "asked", "relation"),
    [(0, 1, "value_of_key"), (0, 2, "value_of_key"), (1, 0, "key_of_value"), (2, 1, "value_of_value")],
)
def test_relations(given, asked, relation):
    assert relation_of(given, asked) == relation


def test_questions_name_what_is_given_and_asked():
    for wordings, identifiers in ((ONE, ["4821307"]), (TWO, ["4821307", "9012345"])):
        for given, asked in ((0, 1), (1, 0), (1, 2)):
            for wording in wordings[relation_of(given, asked)]:
                text = question_text(wording, LABELS, given, asked, *identifiers)
                assert all(text.count(one) == 1 for one in identifiers)
                assert LABELS[asked] in text.lower()
                assert text[0].isupper() or text[0].isdigit()
                assert text[-1] in "?."


def test_examples():
    assert question_text(ONE["value_of_key"][0], LABELS, 0, 1, "Mara Ellison") == (
        "What is the badge number of employee Mara Ellison?"
    )
    assert question_text(ONE["key_of_value"][0], LABELS, 1, 0, "4821307") == (
        "Which employee has the badge number 4821307?"
    )
    assert question_text(TWO["value_of_value"][0], LABELS, 1, 2, "4821307", "9012345") == (
        "What is the locker next to the badge number 4821307, and the one next to 9012345?"
    )


def test_every_wording_has_its_fields():
    for wordings, needed in ((ONE, {"given"}), (TWO, {"given", "other"})):
        for wording in (one for some in wordings.values() for one in some):
            fields = {name for _, name, _, _ in Formatter().parse(wording) if name}
            assert needed <= fields <= {"given", "other", "asked", "noun", "label"}


def test_no_wording_is_one_of_a_probe():
    probes = [probe.question for probe in BUILTIN] + [litm_kv.QUESTION, litm_kv.BEFORE]
    probes += [text for text in vars(niah_text).values() if isinstance(text, str) and " " in text]
    theirs = {run for text in probes for run in _runs(text)}
    for wording in (one for wordings in (ONE, TWO) for some in wordings.values() for one in some):
        assert not theirs & _runs(wording), wording
    assert not theirs & {run for parts in SENTENCES for run in _runs(" ".join(parts))}


def _runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"[a-z]+|\{\}", re.sub(r"\{[^}]*\}", "{}", text.lower()))
    return {tuple(words[i : i + SHARED_WORDS]) for i in range(len(words) - SHARED_WORDS + 1)}
