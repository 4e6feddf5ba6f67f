import asyncio
import json
from dataclasses import replace

import pytest

from in2_plugin.config import QuestionsConfig
from in2_plugin.errors import EndpointError
from in2_plugin.llm.request import THOUGHTS, Completion, Request, RequestFailed, RunStopped
from in2_plugin.questions import Kind, Part, Passage, Question, Rejection
from in2_plugin.questions.model.pipeline import AskedModel, Pipeline
from in2_plugin.questions.model.verification import Distractor

TEXTS = (
    "Harbour Seven was founded in 1843 by fishermen from the northern islands.",
    "Harbour Eight was founded in 1850 by merchants.",
    "Both harbours were closed in 1901 after a great storm.",
)
FINE = Passage(Kind.FINE_GRAINED, 3, (7,), TEXTS[:1], 0)
SEVERAL = Passage(Kind.INTEGRATION, 3, (7, 8, 9), TEXTS, 0)
READ = 1_000
"""Input tokens of an answer to a prompt that was read to its end."""
PAIR = {"question": "Who founded Harbour Seven?", "answer": "Fishermen from the northern islands founded it in 1843."}


def said(*pairs: dict) -> str:
    return json.dumps({"questions": list(pairs)})


class Model:
    """Answers in order, and remembers what it was asked."""

    def __init__(self, *answers: str | Completion | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[Request] = []

    async def ask(self, request: Request) -> Completion:
        self.asked.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Completion) else Completion(answer, "stop", READ, 1)


def results(writer: Model, passage: Passage = FINE, judge: Model | None = None, answer_format="json_schema", **changes):
    config = QuestionsConfig.parse({"writer": "endpoint", "endpoint": {"model": "m"}, **changes}, "test")
    judge = judge or Model()
    pipeline = Pipeline(
        config,
        AskedModel(writer.ask, "m", {"temperature": 1}),
        AskedModel(judge.ask, "j", {"temperature": 0}),
        answer_format,
        "name/1",
    )
    return asyncio.run(pipeline.results(passage))


def test_a_question_says_where_it_comes_from():
    writer = Model(said(PAIR))
    (question,) = results(writer)
    assert question == Question(
        kind=Kind.FINE_GRAINED,
        form="written_fine_grained",
        question=PAIR["question"],
        answer=PAIR["answer"],
        document=3,
        segment_ids=(7,),
        gold=(7,),
        exclusive=(),
        writer="name/1",
        verified=(),
        request=writer.asked[0].key.hex(),
    )


def test_the_request_is_what_was_configured():
    for answer_format in ("json_schema", "markers"):
        writer = Model(said(PAIR))
        results(writer, answer_format=answer_format)
        (request,) = writer.asked
        assert (request.model, request.purpose, request.draw) == ("m", "fine_grained", 0)
        assert request.parameters["temperature"] == 1
        assert ("response_format" in request.parameters) == (answer_format == "json_schema")


def test_gold_is_what_the_model_says_it_needs():
    (question,) = results(Model(said({**PAIR, "pieces": [3, 1]})), SEVERAL)
    assert (question.segment_ids, question.gold) == ((7, 8, 9), (7, 9))


def test_all_segments_are_gold_when_it_does_not_say():
    (question,) = results(Model(said(PAIR)), SEVERAL)
    assert question.gold == (7, 8, 9)


def test_a_question_about_a_whole_document_says_so():
    (question,) = results(Model(said(PAIR)), replace(FINE, whole=(6, 7, 8)))
    assert (question.segment_ids, question.gold, question.part) == ((6, 7, 8), (7,), Part.SHORT_CONTEXT)


def test_an_unreadable_answer_is_asked_again_with_the_reason():
    writer = Model("I would rather talk about the weather.", said(PAIR))
    (question,) = results(writer)
    assert isinstance(question, Question)
    first, second = writer.asked
    assert second.prompt.startswith(first.prompt)
    assert "it holds no question with an answer" in second.prompt
    assert question.request == second.key.hex()


def test_an_answer_that_was_cut_off_is_unreadable_even_if_it_could_be_read():
    writer = Model(Completion(said(PAIR), "length", READ, 1), said(PAIR))
    assert isinstance(results(writer)[0], Question)
    assert "cut off" in writer.asked[1].prompt


def test_after_two_unreadable_answers_the_passage_is_turned_down():
    writer = Model("Rain.", "Sunshine.")
    (rejection,) = results(writer)
    assert rejection.reason == "unreadable answer: it holds no question with an answer in the form that was asked for"
    assert rejection.request == writer.asked[1].key.hex()
    assert len(writer.asked) == 2


@pytest.mark.parametrize("finish", ["refusal", "content_filter"])
def test_a_model_that_declines_is_not_asked_again(finish):
    writer = Model(Completion("No.", finish, READ, 1))
    (rejection,) = results(writer)
    assert rejection.reason == "the model declined to answer"
    assert len(writer.asked) == 1


def test_a_call_that_failed_turns_the_passage_down():
    (rejection,) = results(Model(RequestFailed("status 500, 8 times")))
    assert rejection.reason == "no answer: status 500, 8 times"


def test_what_stops_the_run_comes_through():
    with pytest.raises(RunStopped):
        results(Model(RunStopped("stopping")))


def test_each_pair_is_judged_by_itself():
    other = {"question": "According to the text, what is it?", "answer": "A harbour."}
    flawed = {"question": "", "answer": "A harbour."}
    good, points, empty = results(Model(said(PAIR, other, flawed)), questions_per_call=3)
    assert isinstance(good, Question)
    assert points == Rejection(
        FINE, "the question points at its source", other["question"], other["answer"], "name/1", good.request
    )
    assert empty.reason == "a question or an answer is empty"


def test_literal_checks_come_before_paid_ones():
    judge = Model()
    bad = {"question": "According to the text, who founded it?", "answer": PAIR["answer"]}
    (rejection,) = results(Model(said(bad)), judge=judge, verify={"fine_grained": ["answerable"]})
    assert isinstance(rejection, Rejection)
    assert judge.asked == []


def test_checks_that_were_passed_are_named():
    judge = Model(PAIR["answer"], "UNANSWERABLE")
    (question,) = results(Model(said(PAIR)), judge=judge, verify={"fine_grained": ["answerable", "closed_book"]})
    assert question.verified == ("answerable", "closed_book")
    assert {(r.model, r.parameters["temperature"]) for r in judge.asked} == {("j", 0)}
    assert [r.purpose for r in judge.asked] == ["answerable", "closed_book"]


def test_the_judge_sees_the_gold_alone():
    judge = Model(PAIR["answer"])
    results(Model(said({**PAIR, "pieces": [1, 3]})), SEVERAL, judge, verify={"integration": ["answerable"]})
    assert [text in judge.asked[0].prompt for text in TEXTS] == [True, False, True]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("UNANSWERABLE", "a judge that saw the gold segments gave another answer"),
        (RequestFailed("status 500, 8 times"), "no answer of the judge: status 500, 8 times"),
        (Completion(PAIR["answer"], "length", READ, 1), "the judge gave no verdict"),
        (Completion("I must not.", "refusal", READ, 1), "the judge gave no verdict"),
    ],
)
def test_a_judge_that_does_not_agree(answer, reason):
    (rejection,) = results(Model(said(PAIR)), judge=Model(answer), verify={"fine_grained": ["answerable"]})
    assert (rejection.reason, rejection.question) == (reason, PAIR["question"])


def test_a_server_that_cuts_the_prompt_is_found_out_by_its_own_count():
    cut = Completion(said(PAIR), "stop", 60, 20)
    (rejection,) = results(writer := Model(cut))
    assert rejection.reason == "no answer: the server did not read the whole prompt, says its `usage.prompt_tokens`"
    assert rejection.excerpt.startswith("60 tokens read of at least ")
    assert len(writer.asked) == 1
    assert isinstance(results(Model(cut), checks={"whole_prompts": False})[0], Question)
    assert isinstance(results(Model(replace(cut, is_estimated=True)))[0], Question)


def test_a_judge_that_does_not_read_the_whole_prompt_has_no_verdict():
    judge = Model(Completion(PAIR["answer"], "stop", 3, 20))
    (rejection,) = results(Model(said(PAIR)), judge=judge, verify={"fine_grained": ["answerable"]})
    assert rejection.reason.startswith("no answer of the judge: the server did not read the whole prompt")


def test_an_answer_among_the_thoughts_is_said_and_not_asked_for_again():
    writer = Model(Completion("", THOUGHTS, READ, 90))
    (rejection,) = results(writer)
    assert "is empty, and its text is in the field for thoughts (`reasoning_content`)" in rejection.reason
    assert len(writer.asked) == 1


def test_a_rejection_shows_the_answer_that_could_not_be_read():
    (rejection,) = results(Model("Here is a poem.", "Here is\nanother poem."))
    assert rejection.excerpt == "Here is another poem."


@pytest.mark.parametrize("finish", ["stop", "length"])
def test_a_filler_that_the_judge_cannot_read_is_an_error_and_no_distractor(finish):
    def distracts(**changes) -> bool:
        config = QuestionsConfig.parse({"writer": "endpoint", "endpoint": {"model": "m"}, **changes}, "test")
        judge = AskedModel(Model(Completion("UNANSWERABLE", finish, 3, 20)).ask, "j", {})
        filler = Distractor(PAIR["question"], 8, TEXTS[1])
        return asyncio.run(Pipeline(config, judge, judge, "markers", "name/1").distracts(filler))

    with pytest.raises(
        EndpointError, match=r"the judge j: the server did not read .* \(3 tokens read of at least \d+\)"
    ):
        distracts()
    assert distracts(checks={"whole_prompts": False}) == (finish == "length")
