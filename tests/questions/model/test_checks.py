import pytest

from in2_plugin.config import LiteralChecks
from in2_plugin.questions.model.checks import main_script, objection
from in2_plugin.questions.model.parsing import Pair

TEXT = (
    "Harbour Seven was founded in 1843 by a crew of fishermen from the northern islands. They had lost eleven boats in "
    "the great storm of that winter, and the council gave them the eastern quay for a yearly rent of 40 crowns."
)
CHINESE = "第七港建于1843年，由来自北方岛屿的渔民建立。那年冬天的大风暴中他们失去了十一条船。"
POINTS = "the question points at its source"
WORDS_UNKNOWN = "the answer's words do not occur in its segments"
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
        ("What rent did the founders of Harbour Seven pay?", "40%"),
        ("What did the founders of Harbour Seven lose one of?", "A boat"),
    ],
)
def test_good_ones_pass(question, answer):
    assert said(question, answer) is None


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("第七港是由谁建立的？", "来自北方岛屿的渔民。"),
        ("第七港建于哪一年？", "1843"),
        ("第七港建于哪一年？", "１８４３年"),
        # characters that also stand in phrases for the source
        ("日本文化和该文件怎样影响第七港？", "来自北方岛屿的渔民。"),
        ("第七港在英文中怎么称呼它的渔民？", "北方岛屿的渔民"),
    ],
)
def test_chinese_passes(question, answer):
    assert said(question, answer, CHINESE) is None


def test_single_characters_in_common_are_no_trace():
    assert said("第七港是由谁建立的？", "七海中的大王由年", CHINESE) == WORDS_UNKNOWN


@pytest.mark.parametrize(
    ("text", "question", "answer"),
    [
        ("Гавань основали рыбаки с северных островов.", "Кто основал гавань?", "Рыбаками с севера"),
        ("항구는 북쪽 섬에서 온 어부들이 세웠다.", "누가 항구를 세웠나요?", "북쪽 섬의 어부들"),
        ("ท่าเรือก่อตั้งโดยชาวประมงจากเกาะทางเหนือ", "ใครก่อตั้งท่าเรือ", "ชาวประมง"),
        ("बंदरगाह की स्थापना मछुआरों ने की थी।", "बंदरगाह की स्थापना किसने की?", "मछुआरों ने"),
        ("أسس الميناء صيادون من الجزر الشمالية.", "من أسس الميناء؟", "صيادون"),
    ],
)
def test_other_scripts(text, question, answer):
    assert said(question, answer, text) is None
    assert said(question, GOOD.answer, text) == "the answer is not in the script of the text"
    # another answer in the same script
    assert said(question, text[::-1], text, min_overlap=0.9) == WORDS_UNKNOWN


def test_a_number_may_be_worked_out_of_several_segments_but_not_of_one():
    texts = ["It was founded in 1843.", "It was closed in 1866."]
    worked_out = Pair("For how long did it stand?", "23")
    assert objection(worked_out, texts, LiteralChecks()) is None
    assert objection(worked_out, [" ".join(texts)], LiteralChecks()) == WORDS_UNKNOWN


@pytest.mark.parametrize(("written", "answered"), [("1,843", "1843"), ("1843", "1.843"), ("40 crowns", "$40")])
def test_one_number_written_in_two_ways(written, answered):
    assert said("What was the amount that they paid?", answered, f"They paid {written}.") is None


def test_a_flawed_pair_is_turned_down_for_its_flaw():
    assert objection(Pair("", "", flaw="it holds broken characters"), [TEXT], LiteralChecks()) == (
        "it holds broken characters"
    )


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
        (GOOD.question, "来自北方岛屿的渔民", "the answer is not in the script of the text"),
        (GOOD.question, "A King of 1844", "words do not occur"),
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
        "D’après l’article, qui a fondé Harbour Seven?",
        "Según el texto, ¿quién fundó Harbour Seven?",
        "De acordo com o texto, quem fundou Harbour Seven?",
        "Secondo il testo, chi ha fondato Harbour Seven?",
        "Wie stichtte Harbour Seven volgens de tekst?",
        "What is the main subject of the article?",
        "Given the provided information, who founded Harbour Seven?",
        "Using the information given, who founded Harbour Seven?",
        "What does piece 2 say of Harbour Seven?",
        "In the second paragraph, who founded Harbour Seven?",
        "Per this segment, who founded Harbour Seven?",
    ],
)
def test_questions_that_point_at_their_source(question):
    assert said(question) == POINTS


@pytest.mark.parametrize(
    "question",
    [
        "What does a quay mean in the context of Harbour Seven?",
        "How did Harbour Seven grow in the cloud segment?",
        "What did the founders of Harbour Seven write in the text messages?",
        "According to the court documents, who founded Harbour Seven?",
        "Which right does Harbour Seven have according to the article 5 of its charter?",
        "Which dye was found in the material that Harbour Seven sold?",
        "According to the text of the charter, who founded Harbour Seven?",
        "How many pieces did Harbour Seven sell?",
    ],
)
def test_questions_that_name_a_text_of_their_own(question):
    assert said(question) is None


@pytest.mark.parametrize(
    "question",
    [
        "本文によると、第七港は誰が建てましたか？",
        "テキストによると第七港は誰が？",
        "본문에 따르면 누가 항구를 세웠나요?",
        "Согласно тексту, кто основал гавань?",
        "Кто основал гавань в этом отрывке?",
        "وفقًا للنص، من أسس الميناء؟",
        "पाठ के अनुसार बंदरगाह किसने बनाया?",
    ],
)
def test_they_do_so_in_other_scripts(question):
    assert said(question, text=question) == POINTS


def test_google_is_no_text():
    assert said("구글에 따르면 누가 항구를 세웠나요?", "어부들", "구글에 따르면 어부들이 항구를 세웠다.") is None


@pytest.mark.parametrize(
    "question",
    [
        "根据上下文，第七港是由谁建立的？",
        "文中第七港是由谁建立的，你知道吗？",
        "第七港在文中是由谁建立的？",
        "根据所给的内容，第七港是由谁建立的？",
        "根據本文，第七港是由誰建立的？",
        "本文中第七港是由谁建立的？",
    ],
)
def test_chinese_questions_that_point_at_their_source(question):
    assert said(question, "来自北方岛屿的渔民。", CHINESE) == POINTS


def test_bounds_are_those_of_the_build_file():
    assert said(question_chars=(50, 100)) == "the question is too short"
    assert said(answer="Julius Caesar conquered Gaul.", min_overlap=0) is None


def test_answers_in_another_language_are_turned_down():
    question = "第七港是由谁建立的，你知道吗？"
    assert said(question, "fishermen", CHINESE) == "the answer is not in the script of the text"


def test_names_stay_as_they_are():
    question = "Transformer模型是谁提出的？"
    assert said(question, "Google Brain", CHINESE + "Google Brain提出了Transformer。") is None
    assert said(GOOD.question, "来自北方岛屿的渔民", f"{TEXT} 来自北方岛屿的渔民") is None


def test_a_text_may_have_two_scripts():
    code = "def harbour(seven): return seven.founded " * 2
    assert said("第七港是由谁建立的？", "来自北方岛屿的渔民", CHINESE + code) is None


@pytest.mark.parametrize(
    "answer",
    [
        "As an AI language model, I know nothing of fishermen.",
        "The passage does not mention who founded Harbour Seven.",
        "The given text doesn’t explicitly state who the fishermen were.",
        "N/A",
        "文中没有提到渔民。",
    ],
)
def test_answers_that_decline(answer):
    assert said(answer=answer) == "the answer says that there is none"


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("abc", "LATIN"),
        ("абв", "CYRILLIC"),
        ("漢字かな", "CJK"),
        ("한국", "HANGUL"),
        ("123 ?!", None),
        ("a漢字", "CJK"),
        ("ＡＢＣ漢字", "LATIN"),
        ("人々", "CJK"),
        ("हिन्दी", "DEVANAGARI"),
        ("ไทย", "THAI"),
    ],
)
def test_scripts(text, script):
    assert main_script(text) == script
