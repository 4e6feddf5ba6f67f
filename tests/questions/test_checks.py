import pytest

from in2_plugin.config import LiteralChecks
from in2_plugin.questions.checks import main_script, objection
from in2_plugin.questions.parsing import Pair

TEXT = (
    "Harbour Seven was founded in 1843 by a crew of fishermen from the northern islands. They had lost eleven boats in "
    "the great storm of that winter, and the council gave them the eastern quay for a yearly rent of 40 crowns."
)
CHINESE = "第七港建于1843年，由来自北方岛屿的渔民建立。那年冬天的大风暴中他们失去了十一条船。"
GOOD = Pair("Who founded Harbour Seven?", "Fishermen who came from islands in the north.")


def said(question: str = GOOD.question, answer: str = GOOD.answer, text: str = TEXT, **bounds) -> str | None:
    return objection(Pair(question, answer), [text], LiteralChecks(**bounds))


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (GOOD.question, GOOD.answer),
        ("How many boats were lost in the storm by those who founded Harbour Seven?", "11, or eleven boats"),
        ("What rent did the founders of Harbour Seven pay?", "40"),
        ("Was Harbour Seven founded before 1850?", "Yes."),
        ("Which text did the founders of Harbour Seven write on the eastern quay?", "The eastern quay."),
    ],
)
def test_good_ones_pass(question, answer):
    assert said(question, answer) is None


def test_chinese_passes():
    assert said("第七港是由谁建立的？", "来自北方岛屿的渔民。", CHINESE) is None
    assert said("第七港建于哪一年？", "1843", CHINESE) is None


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("Who", GOOD.answer, "the question is too short"),
        (GOOD.question, "fishermen " * 500, "the answer is too long"),
        (GOOD.question, "Who founded Harbour Seven", "the answer repeats the question"),
        (GOOD.question, "That is not mentioned in the context.", "the answer says that there is none"),
        (GOOD.question, "I'm sorry, but fishermen are beyond me.", "the answer says that there is none"),
        (GOOD.question, "It cannot be determined who the fishermen were.", "the answer says that there is none"),
        (GOOD.question, "Julius Caesar conquered Gaul with several legions.", "words do not occur"),
        (GOOD.question, "1844", "words do not occur"),
        (GOOD.question, "来自北方岛屿的渔民", "words do not occur"),
        ("第七港是由谁建立的呢，请问？", GOOD.answer, "the question is not in the script of the text"),
    ],
)
def test_bad_ones_do_not(question, answer, reason):
    assert reason in str(said(question, answer))


@pytest.mark.parametrize(
    "question",
    [
        "According to the context, who founded Harbour Seven?",
        "Based on the provided text, who founded Harbour Seven?",
        "Who founded Harbour Seven in the passage?",
        "Who does the article say founded Harbour Seven?",
        "What do pieces 1 and 3 say of Harbour Seven?",
        "In this document, who founded Harbour Seven?",
        "Laut dem Text: wer hat Harbour Seven gegründet?",
        "Selon le texte, qui a fondé Harbour Seven?",
    ],
)
def test_questions_that_point_at_their_source(question):
    assert said(question) == "the question points at its source"


@pytest.mark.parametrize("question", ["根据上下文，第七港是由谁建立的？", "文中第七港是由谁建立的，你知道吗？"])
def test_chinese_questions_that_point_at_their_source(question):
    assert said(question, "来自北方岛屿的渔民。", CHINESE) == "the question points at its source"


def test_bounds_are_those_of_the_build_file():
    assert said(question_chars=(50, 100)) == "the question is too short"
    assert said(answer="Julius Caesar conquered Gaul.", min_overlap=0) is None


def test_answers_in_another_language_are_turned_down():
    assert (
        said("第七港是由谁建立的，你知道吗？", "fishermen", CHINESE)
        == "the answer's words do not occur in its segments"
    )
    # a name may stay as it is
    assert said("第七港是由谁建立的，你知道吗？", "IBM", CHINESE + "IBM") is None


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("abc", "LATIN"),
        ("абв", "CYRILLIC"),
        ("漢字かな", "CJK"),
        ("한국", "HANGUL"),
        ("123 ?!", None),
        ("a漢字", "CJK"),
    ],
)
def test_scripts(text, script):
    assert main_script(text) == script
