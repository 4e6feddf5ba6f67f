import shutil

import pytest

from in2_plugin.config import BuildConfig
from in2_plugin.errors import ConfigError, EndpointError, NotEnoughQuestions
from in2_plugin.pipeline.build import build_dataset
from in2_plugin.pipeline.estimate import estimate_build
from tests.support.builds import Quiet, endpoint_config, small_config
from tests.support.fault_server import FaultServer, completion, default_reply

PRICES = {"input": 2.0, "output": 10.0}


def config(folder, tokenizer, url="http://127.0.0.1:9/v1", verify=(), count=1, prices=PRICES, **mixture):
    endpoint = {"model": "m", "base_url": url, "api_key_env": None, "prices": prices}
    questions = {"writer": "endpoint", "endpoint": endpoint, "questions_per_call": count}
    questions["verify"] = {"integration": list(verify)}
    mixture = {"fine_grained": 1_100, "integration": 300, **mixture}
    return endpoint_config(folder, tokenizer, url, questions=questions, mixture=mixture)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, built):
    """A folder whose segments are cut already, so that estimates are quick."""
    folder = tmp_path_factory.mktemp("estimates")
    shutil.copytree(built / "segments", folder / "segments")
    (folder / "build.json").write_text("{}")
    return folder


@pytest.fixture
def cut(folder, tmp_path):
    """A copy of it, for the answers of a server."""
    return shutil.copytree(folder, tmp_path / "in2")


def lines_of(estimate):
    return {str(line.kind): line for line in estimate.lines}


def test_without_calls_nothing_is_asked_and_nothing_written(mistral_folder, tmp_path):
    found = estimate_build(config(tmp_path / "in2", mistral_folder))
    assert not (tmp_path / "in2").exists()
    assert not found.measured
    fine, integration = (lines_of(found)[kind] for kind in ("fine_grained", "integration"))
    assert (fine.calls, integration.calls) == (1_100, 300)
    # a segment of some 150 tokens and the instructions; a document of several
    assert 300 < fine.writer.input_tokens / 1_100 < 700
    assert integration.writer.input_tokens / 300 > fine.writer.input_tokens / 1_100
    assert 0 < fine.spread < 0.2
    assert fine.judge.answers == 0


def test_money_is_tokens_times_prices(folder, mistral_folder):
    found = estimate_build(config(folder, mistral_folder))
    line = lines_of(found)["fine_grained"]
    assert found.money(line) == pytest.approx(2e-6 * line.input_tokens + 10e-6 * line.output_tokens)
    assert estimate_build(config(folder, mistral_folder, prices=None)).money(line) is None


def test_fillers_that_a_judge_reads_are_calls(folder, mistral_folder):
    plain = lines_of(estimate_build(config(folder, mistral_folder)))["fine_grained"]
    asked = config(folder, mistral_folder).model_dump()
    asked["distractors"]["judge_hardest"] = 3
    line = lines_of(estimate_build(BuildConfig.parse(asked, "test")))["fine_grained"]
    assert (line.calls, line.judge.answers) == (plain.calls + 3_300, 3_300)
    # a segment of some 170 tokens and the prompt
    assert 200 < line.judge.input_tokens / 3_300 < 350


def test_a_judge_without_prices_has_no_price(folder, mistral_folder):
    asked = config(folder, mistral_folder, verify=["answerable"]).model_dump()
    asked["questions"]["verify"]["judge"] = {"model": "j", "api_key_env": None}
    found = estimate_build(BuildConfig.parse(asked, "test"))
    assert found.money(lines_of(found)["integration"]) is None
    assert found.money(lines_of(found)["fine_grained"]) is not None


def test_several_questions_a_call_divide_the_input(folder, mistral_folder):
    one, four = (lines_of(estimate_build(config(folder, mistral_folder, count=n)))["fine_grained"] for n in (1, 4))
    assert four.calls == 275
    assert 0.2 < four.input_tokens / one.input_tokens < 0.3
    assert 0.9 < four.output_tokens / one.output_tokens < 1.1


def test_checks_by_a_model_are_counted(folder, mistral_folder):
    plain = lines_of(estimate_build(config(folder, mistral_folder)))["integration"]
    checks = ["answerable", "closed_book", "needs_all"]
    judged = lines_of(estimate_build(config(folder, mistral_folder, verify=checks)))
    line = judged["integration"]
    # one that answers from gold, one that knows nothing, and one for each of the two gold segments
    assert line.calls == 5 * 300
    assert line.writer == plain.writer
    assert line.judge.answers == 4 * 300


@pytest.mark.slow
def test_measured_calls_are_kept_for_the_build(mistral_folder, tmp_path):
    folder = tmp_path / "in2"
    with FaultServer() as server:
        asked = config(folder, mistral_folder, server.base_url, fine_grained=30, integration=10)
        found = estimate_build(asked, calls=8)
        assert found.measured
        assert {line.sampled for line in found.lines} == {8}
        assert len(server.paid) == 16
        # what the server says it counted: a quarter of the characters
        line = lines_of(found)["fine_grained"]
        assert 300 < line.writer.input_tokens / line.calls < 600
        assert line.writer.output_tokens == pytest.approx(20 * line.calls, abs=1)
        again = estimate_build(asked, calls=8)
        assert again == found
        build_dataset(asked, Quiet())
        assert set(server.paid.values()) == {1}


def test_tokens_that_a_server_does_not_report_are_estimated_and_marked(mistral_folder, cut):
    def silent(body):
        return {**completion(default_reply(body)), "usage": {"prompt_tokens": 0, "completion_tokens": 0}}

    with FaultServer(silent) as server:
        found = estimate_build(config(cut, mistral_folder, server.base_url, integration=0), calls=5)
    (line,) = found.lines
    assert found.estimated == line.calls == 1_100
    assert 300 < line.writer.input_tokens / line.calls < 600
    assert found.total == pytest.approx(found.money(line))
    assert 0 < line.spread < 1


def test_rejected_questions_are_paid_for_too(mistral_folder, cut):
    def half(body):
        prompt = body["messages"][0]["content"]
        good = len(prompt) % 2
        return default_reply(body) if good else '{"questions": [{"question": "Who is it?", "answer": "Julius Caesar"}]}'

    with FaultServer(half) as server:
        asked = config(cut, mistral_folder, server.base_url, integration=0)
        found = estimate_build(asked, calls=40)
    (line,) = found.lines
    (reason,) = found.rejections
    assert reason == "the answer's words do not occur in its segments"
    assert line.calls == pytest.approx(1_100 * 40 / (40 - found.rejections[reason]))
    assert line.spread > 0.1


def test_when_no_answer_is_of_use_that_is_said(mistral_folder, cut):
    with FaultServer(lambda body: "I would rather talk about the weather.") as server:
        asked = config(cut, mistral_folder, server.base_url, integration=0)
        with pytest.raises(NotEnoughQuestions, match=r"none of 3 fine-grained passages.*unreadable answer"):
            estimate_build(asked, calls=3)


def test_a_wrong_address_is_one_sentence(mistral_folder, cut):
    with pytest.raises(EndpointError, match="cannot be reached"):
        estimate_build(config(cut, mistral_folder), calls=1)


def test_the_extractive_writer_costs_nothing(mistral_folder, tmp_path):
    with pytest.raises(ConfigError, match="asks no language model"):
        estimate_build(small_config(tmp_path / "in2", mistral_folder))
