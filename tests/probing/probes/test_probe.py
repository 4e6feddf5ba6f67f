"""The small methods of a probe definition."""

from in2_plugin.probing.probes.builtin import DATABASE, DOCUMENT
from tests.support.invented_probe import CARDS


def test_names_and_questions():
    item = CARDS.parse_item({"number": 7, "picture": "a fox"})
    assert (CARDS.task, CARDS.ask(item), CARDS.marked("7")) == (
        "val_probe_cards",
        "Which picture is on card 7?",
        "Card 7 shows",
    )
    assert DATABASE.marked("Q1") == "<id: Q1," and DOCUMENT.marked("two words") == "two words"


def test_baselines_are_the_echo_and_another_item():
    assert DOCUMENT.baselines(("a b c d",), "a b", "c x") == (0.5, 0.25)
    assert CARDS.baselines(("a fox",), "7", "Card 8 shows a hen.") == (0.0, 0.0)
