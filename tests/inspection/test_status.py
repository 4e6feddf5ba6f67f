import json
from pathlib import Path

import pytest
from builds import Quiet, endpoint_config, small_config
from fault_server import FaultServer
from typer.testing import CliRunner

from in2_plugin.building import build_dataset
from in2_plugin.cli.app import app
from in2_plugin.errors import DatasetError, EndpointError
from in2_plugin.folder_lock import folder_lock
from in2_plugin.inspection.status import read_status

PRICES = {"input": 1_000_000, "output": 2_000_000, "currency": "EUR"}


@pytest.fixture(scope="module")
def half(tmp_path_factory, mistral_folder):
    """A build whose endpoint broke half-way; every third request before that was refused."""
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
    assert found.finished == ("segments",)
    assert found.segments["documents"] == 400
    assert found.questions == {}
    assert found.wanted == {"fine_grained": 150, "integration": 50}
    assert found.holder is None
    ((purpose, use),) = found.log.answers.items()
    assert (purpose, use.answers) == ("fine_grained", server.paid.total())
    # the server counts 100 tokens in and 20 out for each answer
    assert (found.log.money, found.log.currency) == (140.0 * use.answers, "EUR")
    assert found.log.failures == {"400 bad parameter: ***": server.faults["400"]}
    assert "run `in2 build`" in found.next_step


def test_looking_changes_nothing(half):
    folder, _ = half
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    read_status(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_finished_folder(built):
    found = read_status(built)
    assert found.finished == ("segments", "questions", "examples", "manifest")
    assert found.questions == {"fine_grained": 70, "integration": 30}
    assert found.examples == 100
    assert sum(found.rejected.values()) == 0 or all(found.rejected)
    assert found.log is None
    assert found.next_step.startswith("complete")


def test_who_works_on_it(mistral_folder, tmp_path):
    folder = tmp_path / "in2"
    build_dataset(small_config(folder, mistral_folder, mixture={"fine_grained": 3, "integration": 0}), Quiet())
    with folder_lock(folder):
        found = read_status(folder)
        assert found.holder.pid > 0
        assert found.next_step.startswith("a build is running")


def invoke(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_the_command_prints_it(half):
    folder, server = half
    result = invoke("status", str(folder))
    lines = dict(line.split(None, 1) for line in result.output.splitlines() if not line.startswith(("to do", "on ")))
    assert lines["finished"] == "segments"
    assert lines["failed"] == f"{server.faults['400']} x 400 bad parameter: ***"
    assert lines["paid"].startswith(f"{140 * server.paid.total():,.2f} EUR")


def test_the_command_prints_json(half):
    found = json.loads(invoke("status", str(half[0]), "--json").output)
    assert found["log"]["failures"] == {"400 bad parameter: ***": half[1].faults["400"]}
    assert found["next_step"]


def test_doctor_has_an_exit_status(built, tmp_path):
    result = invoke("doctor", str(built))
    assert result.exit_code == 0
    assert "nothing wrong" in result.output
    (tmp_path / "build.json").write_text("{")
    result = invoke("doctor", str(tmp_path))
    assert result.exit_code == 1
    assert "wrong: build.json: cannot be read" in result.output


def test_folders_of_nothing(tmp_path):
    for folder, said in ((tmp_path / "nothing", "there is no folder"), (tmp_path, "holds nothing of `in2 build`")):
        with pytest.raises(DatasetError, match=said):
            read_status(Path(folder))


def test_a_damaged_file_is_one_sentence(half, tmp_path):
    (tmp_path / "build.json").write_text("{")
    with pytest.raises(DatasetError, match="run `in2 doctor"):
        read_status(tmp_path)
