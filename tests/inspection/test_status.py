import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from in2_plugin.errors import DatasetError, EndpointError
from in2_plugin.inspection.status import read_status
from in2_plugin.io.lock import folder_lock
from in2_plugin.llm.meter import total
from in2_plugin.llm.request import Usage
from in2_plugin.pipeline.build import build_dataset
from in2_plugin.pipeline.preview import preview
from tests.support.builds import Quiet, build_from_endpoint, endpoint_config, small_config
from tests.support.damages import keys, whole
from tests.support.fault_server import FaultServer

PRICES = {"input": 1_000_000, "output": 2_000_000, "currency": "EUR"}


def files(folder: Path) -> dict[Path, int]:
    # SQLite keeps its readers in the memory that it shares through this file
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.suffix != ".sqlite-shm"}


@pytest.fixture(scope="module")
def half(tmp_path_factory, mistral_folder):
    """A build whose endpoint broke half-way; every eighth request before that was refused."""
    folder = tmp_path_factory.mktemp("half") / "in2"

    def plan(number, body):
        return "401" if number > 60 else "400" if number % 8 == 7 else None

    with FaultServer(plan=plan) as server:
        config = endpoint_config(folder, mistral_folder, server.base_url)
        questions = config.questions.model_dump()
        questions["endpoint"]["prices"] = PRICES
        with pytest.raises(EndpointError):
            build_dataset(endpoint_config(folder, mistral_folder, server.base_url, questions=questions), Quiet())
        return folder, server


def test_a_half_built_folder(half):
    folder, server = half
    found = read_status(folder)
    assert found.finished == ("segments", "screening")
    assert found.segments["documents"] == 400
    assert found.questions == {}
    assert found.wanted == {"fine_grained": 150, "integration": 50}
    assert found.holder is None
    ((purpose, use),) = found.log.answers.items()
    assert (purpose, use.answers) == ("fine_grained", server.paid.total())
    assert use.output_tokens == 20 * use.answers
    assert (found.log.money, found.log.unpriced) == ({"EUR": at_prices(use)}, ())
    assert found.log.answer_format == "json_schema"
    assert found.log.failures == {"400 bad parameter: ***": server.faults["400"]}
    assert "run `in2 build`" in found.next_step


def test_looking_changes_nothing(half):
    before = files(half[0])
    read_status(half[0])
    assert files(half[0]) == before


def test_a_finished_folder(sound):
    found = read_status(sound)
    assert found.finished == ("segments", "screening", "questions", "instructions", "examples", "plans", "manifest")
    assert found.questions == {"fine_grained": 40, "integration": 20}
    assert found.examples == 60
    assert set(found.log.answers) == {"fine_grained", "integration", "answerable"}
    assert found.log.answers["fine_grained"].answers >= 40
    assert found.log.money == {}
    assert set(found.bytes_by_part) == {path.name for path in sound.iterdir()}
    assert found.bytes_by_part["segments"] == sum(path.stat().st_size for path in (sound / "segments").iterdir())
    assert found.next_step.startswith("complete")


def test_a_folder_without_a_model(built):
    found = read_status(built)
    assert found.questions == {"fine_grained": 91, "integration": 39}
    assert found.log is None


def test_a_preview_leaves_a_log_alone(mistral_folder, tmp_path):
    folder = tmp_path / "in2"
    with FaultServer() as server:
        list(preview(endpoint_config(folder, mistral_folder, server.base_url), 3))
    found = read_status(folder)
    assert (found.finished, found.wanted, found.segments) == ((), {}, {})
    assert sum(use.answers for use in found.log.answers.values()) == server.paid.total()
    assert "run `in2 build`" in found.next_step


def judge(currency: str) -> dict:
    return {"model": "j", "prices": {"input": 0, "output": 500_000, "currency": currency}}


def at_prices(use: Usage) -> float:
    """The cost at `PRICES`."""
    return use.input_tokens + 2.0 * use.output_tokens


def of_judge(use: Usage) -> float:
    """The cost at the prices of `judge`."""
    return 0.5 * use.output_tokens


JUDGES = [
    (None, lambda written, judged: {"EUR": at_prices(written) + at_prices(judged)}, ()),
    (judge("EUR"), lambda written, judged: {"EUR": at_prices(written) + of_judge(judged)}, ()),
    (judge("USD"), lambda written, judged: {"EUR": at_prices(written), "USD": of_judge(judged)}, ()),
    ({"model": "j"}, lambda written, judged: {"EUR": at_prices(written)}, ("answerable",)),
]


@pytest.mark.parametrize(("judge", "cost", "unpriced"), JUDGES)
def test_a_judge_has_prices_of_its_own(folder, judge, cost, unpriced):
    questions = {"endpoint": {"model": "m", "prices": PRICES}, "verify": {"judge": judge}}
    keys("build.json", questions=questions)(folder)
    log = read_status(folder).log
    judged = log.answers["answerable"]
    written = total(use for purpose, use in log.answers.items() if purpose != "answerable")
    assert judged.answers and written.answers
    assert log.money == cost(written, judged)
    assert log.unpriced == unpriced


def test_who_works_on_it(mistral_folder, tmp_path):
    folder = tmp_path / "in2"
    build_dataset(small_config(folder, mistral_folder, mixture={"fine_grained": 3, "integration": 0}), Quiet())
    with folder_lock(folder):
        found = read_status(folder)
        assert found.holder.pid == os.getpid()
        assert found.next_step.startswith("a build is running")


@pytest.mark.slow
def test_beside_a_build_that_runs_and_after_its_kill(mistral_folder, tmp_path):
    folder = tmp_path / "in2"
    # the build waits for an answer while its status is read
    with FaultServer(plan=lambda number, body: "stall" if number > 60 else None) as server:
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=build_from_endpoint, args=(folder, mistral_folder, server.base_url))
        process.start()
        while server.paid.total() < 20:
            assert process.is_alive()
            time.sleep(0.01)
        seen = [read_status(folder) for _ in range(20)]
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    assert {found.holder.pid for found in seen} == {process.pid}
    counts = [sum(use.answers for use in found.log.answers.values()) for found in seen]
    assert counts == sorted(counts)
    before = files(folder)
    killed = read_status(folder)
    assert files(folder) == before
    assert killed.holder is None
    assert killed.finished == ("segments", "screening")
    assert killed.log.answers["fine_grained"].answers >= max(counts) > 0


def test_folders_of_nothing(tmp_path):
    for folder, said in ((tmp_path / "nothing", "no such folder"), (tmp_path, "not a dataset folder of `in2 build`")):
        with pytest.raises(DatasetError, match=said):
            read_status(folder)


@pytest.mark.parametrize(
    "name", ["build.json", "segments/store.json", "questions.parquet", "rejected.parquet", "examples.parquet"]
)
def test_a_damaged_file_is_one_sentence(folder, name):
    whole(name, "{")(folder)
    with pytest.raises(DatasetError) as caught:
        read_status(folder)
    assert str(caught.value).startswith(f"{folder / name}: cannot be read (")
    assert str(caught.value).endswith(f"; run `in2 doctor {folder}`")


def test_what_goes_away_meanwhile_is_not_counted(sound, tmp_path):
    folder = Path(shutil.copytree(sound, tmp_path / "in2"))
    (folder / "examples.parquet.part").symlink_to(folder / "gone")
    assert "examples.parquet.part" not in read_status(folder).bytes_by_part
