import json
from collections import Counter
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from in2_plugin.cli.app import app
from in2_plugin.config import Prices
from in2_plugin.llm.request import Usage
from in2_plugin.pipeline.estimate import Estimate, KindEstimate
from in2_plugin.questions import Kind

LINES = (
    KindEstimate(Kind.FINE_GRAINED, 1_100, 200, 1_100.0, Usage(1_100, 500_000, 60_000), Usage(), 0.04),
    KindEstimate(Kind.INTEGRATION, 300, 200, 300.0, Usage(300, 400_000, 20_000), Usage(), 0.12),
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    (tmp_path / "build.yml").write_text("output: o\ntokenizer: m\n")

    def estimate(found: Estimate, *options: str) -> list[str]:
        monkeypatch.setattr("in2_plugin.pipeline.estimate.estimate_build", lambda config, calls: found)
        result = CliRunner().invoke(app, ["estimate", str(tmp_path / "build.yml"), *options])
        assert result.exit_code == 0, result.output
        return [" ".join(line.split()) for line in result.output.splitlines()]

    return estimate


def test_assumed_answers_without_prices(run):
    lines = run(Estimate(LINES, False, Counter(), None, None), "--rate", "1")
    assert lines[1] == "fine-grained 1,100 1,100 500.0k 60.0k ± 4% - 18 min"
    assert lines[3] == "all 1,400 1,400 900.0k 80.0k - 23 min"
    assert lines[4].startswith("time at 1 calls per second (`--rate`); based on 200 fine-grained, 200 integration")
    assert lines[5].startswith("assumes answers of 40 words")
    assert lines[6].startswith("no cost: set `questions.endpoint.prices")


def test_figures_as_json(run):
    prices = Prices(input=10, output=100, currency="EUR")
    found = json.loads("".join(run(Estimate(LINES, True, Counter({"too short": 3}), prices, prices), "--json")))
    assert [kind["cost"] for kind in found["kinds"]] == pytest.approx([11, 6])
    assert (found["cost"], found["currency"], found["calls"]) == (pytest.approx(17), "EUR", 1_400)


def test_measured_answers_with_prices(run):
    prices = Prices(input=10, output=100, currency="EUR")
    lines = run(Estimate(LINES, True, Counter({"too short": 3}), prices, prices))
    assert "EUR" in lines[0]
    assert "11.00" in lines[1] and "6.00" in lines[2] and "17.00" in lines[3]
    assert lines[-2:] == ["measured with the endpoint; 3 results were rejected, also paid", "3 x too short"]


def test_tokens_that_the_endpoint_does_not_report_are_marked(run):
    silent = replace(LINES[0], writer=Usage(1_100, 500_000, 60_000, estimated=1_100))
    lines = run(Estimate((silent,), True, Counter(), None, None))
    assert "reports no token counts (`usage`): tokens are estimated, one per 4 bytes of the texts" in " ".join(lines)
