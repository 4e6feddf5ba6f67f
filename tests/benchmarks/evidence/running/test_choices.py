"""Multiple-choice items by rule."""

from collections import Counter

from benchmarks.evidence.running.choices import CHOICES, COUNT, SEED, items, load


def test_items_are_different_and_the_right_choice_is_everywhere_equally_often():
    found = load()["test"].to_list()
    assert len({item["question"] for item in found}) == len(found) == COUNT
    assert all(len(set(item["choices"])) == CHOICES for item in found)
    places = Counter(item["answer"] for item in found)
    assert max(places.values()) - min(places.values()) <= 3


def test_equal_seeds_give_equal_items():
    assert items(COUNT, SEED) == load()["test"].to_list()
    assert items(9, 1) != items(9, 2)


def test_the_right_choice_follows_from_the_rule():
    for item in items(60, 0):
        question, right = item["question"], item["choices"][item["answer"]]
        if question.startswith("What is"):
            a, operation, b = question.removeprefix("What is ").rstrip("?").split()
            assert int(right) == (int(a) + int(b) if operation == "plus" else int(a) - int(b))
        elif question.startswith("Which"):
            place = ("first", "second", "third").index(question.split(" letter")[0].rpartition(" ")[2])
            letter = question.split('"')[1]
            assert [word for word in item["choices"] if word[place] == letter] == [right]
        else:
            taller = dict(link.rstrip(".").split(" is taller than ") for link in question.split(". ")[:-1])
            ends = set(taller) - set(taller.values()), set(taller.values()) - set(taller)
            assert {right} == ends["shortest" in question]
