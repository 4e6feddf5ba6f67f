"""A whole build whose questions come from several servers over HTTP, one of which dies."""

import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from in2_plugin.config import BuildConfig
from in2_plugin.dataset.build_record import claim
from in2_plugin.inspection.doctor.run import examine
from in2_plugin.inspection.status import read_status
from in2_plugin.pipeline.build import build_dataset
from in2_plugin.pipeline.estimate import estimate_build
from in2_plugin.pipeline.preview import preview
from tests.support.builds import Quiet, endpoint_config
from tests.support.e2e_run import run
from tests.support.fault_server import FaultServer

ROWS = ["questions.parquet", "rejected.parquet", "examples.parquet"]
AT_ONCE = 8
"""Concurrency of `endpoint_config`, at each address."""
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


def rows_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ROWS}


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


@pytest.mark.slow
def test_two_addresses_give_the_bytes_of_one_and_so_do_they_when_one_dies(mistral_folder, tmp_path):
    with FaultServer() as server:
        build_dataset(endpoint_config(tmp_path / "one", mistral_folder, server.base_url), Quiet())
    with FaultServer(latency=0.02) as survivor, Mortal(last=60) as killed:
        urls = [killed.base_url, survivor.base_url]
        build_dataset(endpoint_config(tmp_path / "two", mistral_folder, urls), Quiet())
        killed.death.join()
        asked = Counter(body["messages"][0]["content"] for body in [*killed.bodies, *survivor.bodies])
        assert sum(times - 1 for times in asked.values()) <= AT_ONCE
        assert set(survivor.paid.values()) == {1}
        assert min(killed.paid.total(), survivor.paid.total()) > 20
    assert rows_of(tmp_path / "two") == rows_of(tmp_path / "one")


@pytest.mark.slow
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


@pytest.mark.slow
def test_no_address_left_is_one_sentence(mistral_folder, tmp_path):
    other = "http://127.0.0.1:1/v1"
    (tmp_path / "build.yml").write_text(BUILD_FILE.format(tokenizer=mistral_folder, dead=DEAD, alive=other))
    out = run(sys.executable, "-m", "in2_plugin.cli", "build", "build.yml", cwd=tmp_path, ok=False)
    assert "no address of `questions.endpoint.base_url` is left" in out
    assert f"{DEAD} cannot be reached" in out
    assert f"{other} cannot be reached" in out
    assert "Traceback" not in out


def test_a_pool_may_change_between_two_runs(tmp_path):
    def config(base_url: str | list[str]) -> BuildConfig:
        section = {"writer": "endpoint", "endpoint": {"model": "m", "base_url": base_url}}
        return BuildConfig.parse({"output": str(tmp_path), "tokenizer": "t", "questions": section}, "test")

    claim(tmp_path, config("http://node1:8000/v1"))
    (tmp_path / "questions.parquet").write_text("")
    for urls in (["http://node1:8000/v1", "http://node2:8000/v1"], ["http://node3:8000/v1"], "http://node1:8000/v1"):
        claim(tmp_path, config(urls))
        assert (tmp_path / "questions.parquet").exists()
    claim(tmp_path, config(["http://node1:8000/v1", "http://node2:8000/v1"]))
    assert "http://node2:8000/v1" in (tmp_path / "build.json").read_text()
