"""Multi-document questions from files in the authors' format: prompts, indices, controls, scores, damaged files."""

import re
import string

import pytest

from in2_plugin.errors import ConfigError, ProbeError
from in2_plugin.probing.position.litm_qa import LITM_QA, NEW_TOKENS
from tests.probing.probes.test_build import Words
from tests.support import multi_document_files as files

BEFORE = (
    "Write a high-quality answer for the given question using only the provided search results (some of which might be "
    "irrelevant).\n\n"
)


def made(folder, control="", **options):
    return LITM_QA.load({"probe_data": str(folder), "max_length": 99, **options}, control, Words())


def authors_prompt(row):
    """The prompt of a row of the authors' files: documents numbered from 1 in the order of `ctxs`."""
    texts = [f"Document [{n}](Title: {one['title']}) {one['text']}" for n, one in enumerate(row["ctxs"], start=1)]
    return BEFORE + "\n".join(texts) + f"\n\nQuestion: {row['question']}\nAnswer:"


@pytest.mark.parametrize(("n", "indices"), [(10, (0, 4, 9)), (20, (0, 4, 9, 14, 19)), (12, (0, 4, 9, 11))])
@pytest.mark.parametrize("given", [0, 4])
def test_one_file_gives_the_prompts_of_all_files(tmp_path, n, indices, given):
    files.save(tmp_path, n, given)
    prompts = made(tmp_path, probe_documents=n)
    assert len(prompts.questions) == 8 * len(indices)
    for question in prompts.questions:
        row = files.row(question.question, n, indices[question.depth])
        prompt = prompts.prompt(question)
        assert prompt == authors_prompt(row)
        results = prompt.removeprefix(BEFORE).removesuffix(f"\n\nQuestion: {row['question']}\nAnswer:")
        gold = f"Document [{indices[question.depth] + 1}](Title: "
        middle = results.index(gold) + len(results[results.index(gold) :].split("\n")[0]) / 2
        assert question.gold_depths == (pytest.approx(middle / len(results)),)
        assert question.gold == tuple(row["answers"]) and question.query == row["question"]
    assert made(tmp_path, probe_documents=n).digest() == prompts.digest()


def test_any_number_of_depths(tmp_path):
    files.save(tmp_path, 20, 9)
    for n, indices in ((20, tuple(range(20))), (10, (0, 2, 4, 6, 8, 11, 13, 15, 17, 19)), (2, (0, 19))):
        assert made(tmp_path, probe_depths=n).indices == indices


def test_the_length_is_that_of_the_longest_prompt(tmp_path):
    files.save(tmp_path, 20, 0)
    prompts = made(tmp_path)
    counts = [Words().prompt(prompts.prompt(question)) for question in prompts.questions]
    assert {question.length for question in prompts.questions} == {max(counts) + NEW_TOKENS}


def test_controls_are_the_authors(tmp_path):
    files.save(tmp_path, 20, 14)
    closed, alone = made(tmp_path, "closed_book"), made(tmp_path, "gold_only")
    assert closed.prompt(closed.questions[1]) == "Question: where was the ferry brisk built\nAnswer:"
    row = files.row(1, 20, 0)
    assert alone.prompt(alone.questions[1]) == authors_prompt({**row, "ctxs": row["ctxs"][:1]})
    for question in (*closed.questions, *alone.questions):
        assert (question.depth, question.n_depths, question.gold_depths) == (0, 1, ())
    assert len(closed.questions) == len(alone.questions) == 8
    # so that a report can tell that the controls belong to the probe
    assert closed.digest() == alone.digest() == made(tmp_path).digest() != made(tmp_path, probe_depths=3).digest()


def test_some_questions(tmp_path):
    files.save(tmp_path, 20, 0)
    assert {question.query for question in made(tmp_path, probe_questions=2).questions} == {
        "where was the ferry civet built",
        "where was the ferry gannet built",
    }
    with pytest.raises(ProbeError, match="probe_questions=9, but the file has only 8 questions"):
        made(tmp_path, probe_questions=9)


def test_baselines_find_nothing(tmp_path):
    files.save(tmp_path, 20, 0)
    for question in made(tmp_path).questions:
        assert LITM_QA.score(question.gold, question.query) == LITM_QA.score(question.gold, question.other) == 0


GOLD = ["The Golden Fleece", "U.S.A.", "a b"]
ANSWERS = [
    "golden fleece", "It was the Golden-Fleece.", "It was the golden  fleece, of course", "golden\nfleece", "fleece",
    "\nThe Golden Fleece", "  the usa", "u s a", "USA.", "a an b", "b", "", "a", "THE GOLDEN, FLEECE!",
]  # fmt: skip


def test_the_score_is_the_authors():
    """First line, lower case, no ASCII punctuation, no articles, single spaces; any gold text in what is left."""

    def plain(text):
        kept = [character for character in text.lower() if character not in string.punctuation]
        return re.sub(r"\s+", " ", re.sub(r"\b(?:the|an|a)\b", " ", "".join(kept))).strip()

    found = [LITM_QA.score(tuple(GOLD), answer) for answer in ANSWERS]
    assert found == [float(any(plain(gold) in plain(text.partition("\n")[0]) for gold in GOLD)) for text in ANSWERS]
    assert found == [1, 0, 1, 0, 0, 0, 1, 0, 1, 1, 1, 0, 0, 1]
    assert LITM_QA.score(("*",), "") == 1


def test_the_recall_is_that_of_the_best_form():
    assert LITM_QA.recall(("Golden Fleece", "Argo"), "the argo") == 1
    assert LITM_QA.recall(("Golden Fleece", "Argo"), "a fleece") == 0.5


def test_too_long_prompts_have_an_advice_that_can_be_followed():
    longer = "test a model with a longer window"
    for control, options, advice in (
        ("", {}, f"set probe_documents to 10 and probe_depths to 5 in --metadata, or {longer}"),
        ("", {"probe_depths": 20}, f"set probe_documents to 10 and probe_depths to 5 in --metadata, or {longer}"),
        ("", {"probe_depths": 7}, f"set probe_documents to 10 in --metadata, or {longer}"),
        ("", {"probe_documents": 10}, longer),
        ("closed_book", {}, longer),
        ("gold_only", {}, longer),
    ):
        assert LITM_QA.advice(control, options) == advice


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ([], "is not a JSON object"),
        ({"question": None}, "`question` must be text"),
        ({"answers": []}, "`answers` must be a list of texts"),
        ({"answers": "Alding"}, "`answers` must be a list of texts"),
        ({"ctxs": "none"}, "`ctxs` must be a list of objects"),
        ({"ctxs": [{"title": "t", "isgold": True}]}, "each of `ctxs` must have a `title` and a `text`"),
        ({"ctxs": files.row(0, 10, 0)["ctxs"]}, "has 10 documents, 1 of them with `isgold`; it must have 20"),
        ({"ctxs": files.row(0, 21, 0)["ctxs"][1:]}, "has 20 documents, 0 of them with `isgold`"),
    ],
)
def test_rows_in_another_format_are_named(tmp_path, change, message):
    damaged = change if change == [] else {**files.row(1, 20, 0), **change}
    file = files.save(tmp_path, 20, 0, [files.row(0, 20, 0), damaged])
    with pytest.raises(ProbeError, match=message) as caught:
        made(tmp_path)
    assert str(caught.value).startswith(f"{file}, row 2: ")


def test_missing_files_are_named(tmp_path):
    files.save(tmp_path, 10, 0)
    for options, message in (
        ({}, r"litm_qa needs the authors' files: clone https://github\.com/nelson-liu/lost-in-the-middle"),
        ({"probe_data": "/nowhere/at all"}, "/nowhere/at all: there is no such file or folder; clone "),
        (
            {"probe_data": str(tmp_path)},
            r"has no nq-open-20_total_documents_gold_at_0\.jsonl\.gz; clone .* set probe_d",
        ),
    ):
        with pytest.raises(ProbeError, match=message):
            LITM_QA.load(options, "", Words())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probe_document": 10}, "litm_qa: unknown key `probe_document`; did you mean `probe_documents`?"),
        ({"probe_documents": 1}, "litm_qa: `probe_documents` must be at least 2"),
        ({"probe_depths": 21}, "litm_qa: .*probe_depths=21 is more than probe_documents=20"),
    ],
)
def test_mistakes_are_named(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        made(tmp_path, **options)
