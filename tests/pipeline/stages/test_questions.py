"""The question stage of whole builds: a server with faults, several servers, batches, changed build files."""

import sys
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from in2_plugin.config import BuildConfig
from in2_plugin.dataset.build_record import BuildFileChange
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import ArrayJobDone, ConfigError, EndpointError, ShardsMissing, SpendingStopped
from in2_plugin.inspection.doctor.run import examine
from in2_plugin.inspection.status import read_status
from in2_plugin.pipeline.array_job import ArrayJob
from in2_plugin.pipeline.build import build_dataset
from in2_plugin.pipeline.estimate import estimate_build
from in2_plugin.pipeline.preview import preview
from tests.support.batch_server import BatchServer
from tests.support.builds import AT_ONCE, Quiet, durable_answers, endpoint_config, question_rows
from tests.support.e2e_run import run
from tests.support.fault_server import FaultServer, default_reply, random_faults

pytestmark = pytest.mark.slow

DEAD = "http://127.0.0.1:9/v1"
BUILD_FILE = """
output: in2
tokenizer: {tokenizer}
corpus: {{sources: [{{path: "bundled:python-docs", limit: 400}}]}}
mixture: {{fine_grained: 60, integration: 20, short_context: 0}}
lengths: {{min: 512, max: 2048}}
questions:
  writer: endpoint
  endpoint: {{model: m, base_url: ["{dead}", "{alive}"], api_key_env: null, concurrency: 2-8, timeout: 20}}
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory, mistral_folder):
    """An undisturbed build: its folder, server and progress."""
    folder = tmp_path_factory.mktemp("whole") / "in2"
    with FaultServer() as server:
        progress = Quiet()
        build_dataset(endpoint_config(folder, mistral_folder, server.base_url), progress)
        return folder, server, progress


def test_questions_come_from_the_server_and_nothing_is_asked_twice(whole):
    folder, server, progress = whole
    assert set(server.paid.values()) == {1}
    assert durable_answers(folder) == len(server.paid)
    rows = list(read_rows(folder / "questions.parquet"))
    assert [row["kind"] for row in rows] == ["fine_grained"] * 150 + ["integration"] * 50
    assert {row["writer"] for row in rows} == {"endpoint:m/prompts-1"}
    assert {tuple(row["verified"]) for row in rows if row["kind"] == "integration"} == {("answerable",)}
    assert any("200 questions by endpoint:m" in line for line in progress.lines)


def test_calls_beyond_what_is_needed_are_few(whole):
    folder, server, _ = whole
    used = {row["request"] for name in ("questions.parquet", "rejected.parquet") for row in read_rows(folder / name)}
    judged = sum("UNANSWERABLE" in prompt or "SAME or DIFFERENT" in prompt for prompt in server.paid)
    assert len(server.paid) - judged - len(used) <= 2 * AT_ONCE


def test_faults_change_nothing_but_the_time_it_takes(whole, mistral_folder, tmp_path):
    names = ["429", "429 bare", "500", "503", "drop", "lost", "half body", "wrong json", "twice", "empty choices"]
    plan = random_faults(2, dict.fromkeys(names, 0.01))
    with FaultServer(plan=plan, retry_after="0.01") as server:
        build_dataset(endpoint_config(tmp_path / "in2", mistral_folder, server.base_url), Quiet())
        assert server.faults.total() > 10
    assert question_rows(tmp_path / "in2") == question_rows(whole[0])


@pytest.mark.e2e_full
def test_a_server_without_json_schema_gets_markers(whole, mistral_folder, tmp_path):
    with FaultServer(plan=lambda number, body: "no schema") as server:
        build_dataset(endpoint_config(tmp_path / "in2", mistral_folder, server.base_url), Quiet())
        assert sum("response_format" in body for body in server.bodies) == 1
    assert len(list(read_rows(tmp_path / "in2/questions.parquet"))) == 200


def test_progress_tells_what_was_turned_down_and_why(mistral_folder, tmp_path):
    with FaultServer(plan=lambda number, body: "refusal" if number % 10 == 9 else None) as server:
        progress = Quiet()
        mixture = {"fine_grained": 50, "integration": 0}
        build_dataset(endpoint_config(tmp_path / "in2", mistral_folder, server.base_url, mixture=mixture), progress)
    (asking,) = [detail for detail in progress.details if detail and "rejected" in detail()]
    assert "requests/s" in asking()
    turned_down = len(list(read_rows(tmp_path / "in2/rejected.parquet")))
    assert turned_down > 3
    assert f"{turned_down} rejected ({turned_down} because the model declined to answer)" in asking()


def test_the_calls_and_the_money_are_said_before_the_first_call(whole, mistral_folder, tmp_path):
    (said,) = [line for line in whole[2].lines if line.startswith("expected: ")]
    assert said.startswith("expected: 250 calls, ")
    assert said.endswith("price unknown; more with thoughts or rejected answers (0 answers stored)")
    config = endpoint_config(tmp_path / "in2", mistral_folder, DEAD).model_dump()
    config["questions"]["endpoint"] |= {"prices": {"input": 1.0, "output": 2.0}, "attempts": 1}
    config["questions"]["max_cost"] = 5.0
    progress = Quiet()
    with pytest.raises(EndpointError, match="cannot be reached"):
        build_dataset(BuildConfig.parse(config, "test"), progress)
    (said,) = [line for line in progress.lines if line.startswith("expected: ")]
    assert " USD; more with thoughts" in said
    assert said.endswith("(0 answers stored, `max_cost: 5.0`)")


def test_an_array_job_says_whose_calls_are_expected_and_counts_its_own_answers(mistral_folder, tmp_path):
    with FaultServer() as server:
        config = endpoint_config(tmp_path / "in2", mistral_folder, server.base_url)
        said = []
        for _ in range(4):
            progress = Quiet()
            with pytest.raises(ArrayJobDone):
                build_dataset(config, progress, array_job=ArrayJob(1, 2))
            said += [line for line in progress.lines if line.startswith("expected")]
            with suppress(ShardsMissing):
                build_dataset(config, Quiet(), array_job=ArrayJob(0, 1))
            (config.output / "parts/asked/1-of-2.json").unlink(missing_ok=True)
            if not said:
                (config.output / "work.sqlite").touch()  # its creation was killed
    assert all(line.startswith("expected of all 2 jobs together: 250 calls, ") for line in said)
    assert " (0 answers stored" in said[0]
    assert " (0 answers stored" not in said[-1]


def test_useless_answers_stop_the_build_and_all_is_kept(mistral_folder, tmp_path):
    bad = True
    with FaultServer(lambda body: "Here is a poem." if bad else default_reply(body)) as server:
        config = endpoint_config(tmp_path / "in2", mistral_folder, server.base_url)
        with pytest.raises(SpendingStopped, match=r"fine-grained questions: 0 of the last 90 .*Here is a poem"):
            build_dataset(config, Quiet())
        assert durable_answers(tmp_path / "in2") == server.paid.total() < 300
        bad = False
        go_on = config.model_copy(update={"questions": config.questions.model_copy(update={"min_yield": 0.0})})
        build_dataset(go_on, Quiet())
        assert set(server.paid.values()) == {1}
    assert read_status(tmp_path / "in2").questions == {"fine_grained": 150, "integration": 50}


def test_extending_pays_for_what_is_new_alone(whole, mistral_folder, tmp_path):
    small, large = {"fine_grained": 40, "integration": 10}, {"fine_grained": 150, "integration": 50}
    folder = tmp_path / "in2"
    with FaultServer() as server:
        build_dataset(endpoint_config(folder, mistral_folder, server.base_url, mixture=small), Quiet())
        changed = endpoint_config(folder, mistral_folder, server.base_url, mixture=large)
        with pytest.raises(ConfigError, match=r"mixture.fine_grained: 40.*mixture.fine_grained: 150.*--extend"):
            build_dataset(changed, Quiet())
        build_dataset(changed, Quiet(), BuildFileChange.EXTEND)
        assert set(server.paid.values()) == {1}
    assert question_rows(folder) == question_rows(whole[0])


@pytest.mark.e2e_full
def test_restarting_pays_for_nothing_that_comes_again(whole, mistral_folder, tmp_path):
    folder = tmp_path / "in2"
    with FaultServer() as server:
        config = endpoint_config(folder, mistral_folder, server.base_url)
        build_dataset(config, Quiet())
        paid = server.paid.total()
        build_dataset(config, Quiet(), BuildFileChange.RESTART)
        assert server.paid.total() == paid
    assert question_rows(folder) == question_rows(whole[0])


def test_a_wrong_key_ends_it_with_one_sentence_and_a_right_one_goes_on(whole, mistral_folder, tmp_path):
    wrong = True
    with FaultServer(plan=lambda number, body: "401" if wrong and number > 30 else None) as server:
        config = endpoint_config(tmp_path / "in2", mistral_folder, server.base_url)
        with pytest.raises(EndpointError, match="does not accept the key"):
            build_dataset(config, Quiet())
        wrong = False
        build_dataset(config, Quiet())
        assert set(server.paid.values()) == {1}
    assert question_rows(tmp_path / "in2") == question_rows(whole[0])


def batch_config(folder: Path, tokenizer: Path, base_url: str, **changes):
    config = endpoint_config(folder, tokenizer, base_url).questions.model_dump()
    config["endpoint"] |= {"mode": "batch", "poll_seconds": 0.05, "answer_format": "json_schema", **changes}
    return endpoint_config(folder, tokenizer, base_url, questions=config)


@pytest.mark.e2e_full
def test_batches_give_the_same_rows(whole, mistral_folder, tmp_path):
    with BatchServer(default_reply, shuffle=True) as server:
        build_dataset(batch_config(tmp_path / "in2", mistral_folder, server.base_url, batch_requests=40), Quiet())
        assert set(server.paid.values()) == {1}
        assert server.most_open > 1
    assert question_rows(tmp_path / "in2") == question_rows(whole[0])


@pytest.mark.e2e_full
def test_a_build_may_change_from_live_to_batch(whole, mistral_folder, tmp_path):
    with FaultServer(plan=lambda number, body: "401" if number > 60 else None) as live:
        with pytest.raises(EndpointError):
            build_dataset(endpoint_config(tmp_path / "in2", mistral_folder, live.base_url), Quiet())
        paid = live.paid.total()
    with BatchServer(default_reply) as server:
        config = batch_config(tmp_path / "in2", mistral_folder, server.base_url, answer_format="auto")
        build_dataset(config, Quiet())
        assert set(server.paid.values()) == {1}
        assert durable_answers(tmp_path / "in2") == paid + server.paid.total()
    assert question_rows(tmp_path / "in2") == question_rows(whole[0])


class Mortal(FaultServer):
    """Dies of the request with a given number, without an answer to those under way."""

    def __init__(self, last: int) -> None:
        super().__init__(plan=self._fault, latency=0.02)
        self._last = last
        # in a thread of its own, because the server's waits for nothing
        self.death = threading.Thread(target=super().__exit__)

    def _fault(self, number: int, body: dict) -> str | None:
        if number == self._last:
            self.death.start()
        return None

    def __exit__(self, *_: object) -> None:
        self.death.join()


def test_two_addresses_give_the_bytes_of_one_and_so_do_they_when_one_dies(whole, mistral_folder, tmp_path):
    with FaultServer(latency=0.02) as survivor, Mortal(last=60) as killed:
        urls = [killed.base_url, survivor.base_url]
        build_dataset(endpoint_config(tmp_path / "two", mistral_folder, urls), Quiet())
        killed.death.join()
        asked = Counter(body["messages"][0]["content"] for body in [*killed.bodies, *survivor.bodies])
        assert sum(times - 1 for times in asked.values()) <= AT_ONCE
        assert set(survivor.paid.values()) == {1}
        assert min(killed.paid.total(), survivor.paid.total()) > 20
    assert question_rows(tmp_path / "two") == question_rows(whole[0])


@pytest.mark.e2e_full
def test_all_that_asks_works_with_a_pool_and_the_build_says_which_address_is_out(mistral_folder, tmp_path):
    with FaultServer() as alive:
        mixture = {"fine_grained": 60, "integration": 20}
        config = endpoint_config(tmp_path / "in2", mistral_folder, [DEAD, alive.base_url], mixture=mixture)
        assert len(list(preview(config, 4))) == 4
        assert {line.sampled for line in estimate_build(config, calls=8).lines} == {8}
        progress = Quiet()
        build_dataset(config, progress)
        assert set(alive.paid.values()) == {1}
    (line,) = [line for line in progress.lines if DEAD in line]
    assert line.startswith(f"{DEAD} cannot be reached (connection failed")
    assert examine(tmp_path / "in2").is_sound
    assert read_status(tmp_path / "in2").questions == {"fine_grained": 60, "integration": 20}


@pytest.mark.e2e_full
def test_no_address_left_is_one_sentence(mistral_folder, tmp_path):
    other = "http://127.0.0.1:1/v1"
    (tmp_path / "build.yml").write_text(BUILD_FILE.format(tokenizer=mistral_folder, dead=DEAD, alive=other))
    out = run(sys.executable, "-m", "in2_plugin.cli", "build", "build.yml", cwd=tmp_path, ok=False)
    assert "no address of `questions.endpoint.base_url` is left" in out
    assert f"{DEAD} cannot be reached" in out
    assert f"{other} cannot be reached" in out
    assert "Traceback" not in out
