import io
import json
from dataclasses import replace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from in2_plugin.cli.app import app
from in2_plugin.cli.status import SHOWN_REASONS, lines, table
from in2_plugin.errors import EndpointError
from in2_plugin.inspection.status import read_status
from in2_plugin.llm.request import Usage
from in2_plugin.pipeline.build import build_dataset
from tests.support.builds import Quiet, endpoint_config
from tests.support.fault_server import FaultServer


@pytest.fixture(scope="module")
def half(tmp_path_factory, mistral_folder):
    """Return a build that stopped: the server rejected one request, and later all of them."""
    folder = tmp_path_factory.mktemp("half") / "in2"

    def plan(number, body):
        return "401" if number > 30 else "400" if number == 7 else None

    with FaultServer(plan=plan) as server:
        questions = endpoint_config(folder, mistral_folder, server.base_url).questions.model_dump()
        questions["endpoint"]["prices"] = {"input": 1_000_000, "output": 2_000_000, "currency": "EUR"}
        with pytest.raises(EndpointError):
            build_dataset(endpoint_config(folder, mistral_folder, server.base_url, questions=questions), Quiet())
        return folder, server


def invoke(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_plain_lines_outside_a_terminal(half):
    folder, server = half
    result = invoke("status", str(folder))
    shown = {line[:11].strip(): line[11:] for line in result.output.splitlines()}
    assert shown["folder"] == str(folder)
    assert shown["locked by"] == "none"
    assert shown["finished"] == "segments, screening"
    assert shown["remaining"] == "questions, instructions, examples, plans, manifest"
    assert shown["wanted"] == "150 fine-grained, 50 integration"
    assert shown["failed"] == "1 x 400 bad parameter: ***"
    assert shown["format"] == "json_schema"
    use = read_status(folder).log.answers["fine_grained"]
    assert (use.answers, use.output_tokens) == (server.paid.total(), 20 * server.paid.total())
    assert shown["paid"] == f"{use.input_tokens + 2 * use.output_tokens:,.2f} EUR at the prices of the build file"
    assert shown["answers"] == (
        f"{use.answers} for fine-grained, {use.input_tokens:,} tokens in, {use.output_tokens:,} out"
    )
    assert "segments 2 MB" in shown["on disk"]
    assert shown["next"] == "run `in2 build` with its build file to resume"


def test_forms_of_questions_are_counted(half):
    found = replace(read_status(half[0]), forms={"prose": {"forward": 2, "both": 1}, "code": {"forward": 0}})
    assert ("forms", "prose 3 (forward 2, both 1); no questions about code") in lines(found)


def test_a_terminal_shows_the_same_lines(half):
    found = read_status(half[0])
    out = io.StringIO()
    Console(file=out, width=300).print(table(found))
    shown = [line.rstrip() for line in out.getvalue().splitlines()]
    assert shown == [f"{name:<11}{value}".rstrip() for name, value in lines(found)]


def test_json_contains_all_fields(half):
    found = json.loads(invoke("status", str(half[0]), "--json").output)
    assert found["folder"] == str(half[0])
    assert found["log"]["failures"] == {"400 bad parameter: ***": 1}
    assert found["log"]["answers"]["fine_grained"]["answers"] == half[1].paid.total()
    assert found["next_step"]


def test_rare_reasons_are_summed_up(half):
    reasons = {f"reason {i}": 20 - i for i in range(9)}
    shown = [value for name, value in lines(replace(read_status(half[0]), rejected=reasons)) if name == "rejected"]
    assert shown == [*(f"{20 - i} x reason {i}" for i in range(SHOWN_REASONS)), "54 for 4 other reasons"]


def test_an_empty_folder_gives_one_sentence(tmp_path):
    result = invoke("status", str(tmp_path))
    assert result.exit_code == 1
    assert "not a dataset folder of `in2 build`" in result.stderr


def test_tokens_that_the_server_did_not_report_are_marked_as_estimates(half):
    found = read_status(half[0])
    log = replace(found.log, answers={"fine_grained": Usage(30, 9_000, 600, estimated=20)}, money={"EUR": 1.5})
    shown = dict(lines(replace(found, log=log)))
    assert shown["answers"].endswith("600 out; 20 without token counts of the server, estimated from the texts")
    assert shown["paid"].startswith("about 1.50 EUR")
