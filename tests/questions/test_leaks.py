import pytest

from in2_plugin.questions.leaks import Forbidden, contains_answer, core


@pytest.mark.parametrize(
    ("answer", "text", "is_there"),
    [
        ("Iran", "The oil of Iran is sold.", True),
        ("Iran", "The mayor of Tirana spoke.", False),
        ("IRAN.", "iran, they said", True),
        ("1843", "in 18430 days", False),
        ("1843", "founded in 1843.", True),
        ("$4.5 million", "it cost $4.5 million in all", True),
        ("no", "I know of none.", False),
        ("no", "No, he said.", True),
        ("“the second storm”", "After the second storm, it closed.", True),
        ("渔民", "第七港由渔民建立。", True),
        ("是", "这是第七港。", False),
        ("港", "港", False),
        ("C++", "written in C++ by hand", True),
        ("émigré", "an Émigré from Paris", True),
        ("fish", "Fishfish fish", True),
        ("...", "And so on ...", False),
    ],
)
def test_an_answer_is_found_as_whole_words(answer, text, is_there):
    assert (Forbidden((), [answer]).found_in(text.casefold()) is not None) == is_there


def test_a_quotation_is_found_anywhere():
    forbidden = Forbidden(["northern ISL"], [])
    assert forbidden.found_in("the northern islands") == "northern isl"
    assert forbidden.found_in("the southern islands") is None


def test_nothing_is_forbidden_by_nothing():
    assert Forbidden((), ("", " . ")).found_in("anything") is None


def test_the_core_of_an_answer_has_no_signs_at_its_ends():
    assert core(" “It is a Harbour.” ") == "it is a harbour"


@pytest.mark.parametrize(
    ("text", "answer", "is_there"),
    [
        ("It was the  Red\nfox.", "the red fox!", True),
        ("It is ﬁve.", "five", True),
        ("Tirana", "Iran", False),
        ("由 渔民 建立", "渔民建立", True),
        ("What?", "?", True),
    ],
)
def test_a_given_answer_contains_the_stored_one(text, answer, is_there):
    assert contains_answer(text, answer) is is_there
