"""The report as JSON and as text."""

import json

import pytest

from in2_plugin.preflight.report import show, to_json
from in2_plugin.preflight.run import preflight


def test_json_and_text_have_the_same_figures(axolotl_file, capsys):
    report = preflight(axolotl_file(sequence_len=1_000), gpus=1)
    record = json.loads(to_json(report))
    assert record["ok"] is False and record["findings"][0]["level"] == "error"
    parts = [size for name, size in record["memory"].items() if name != "total"]
    assert record["memory"]["total"] == pytest.approx(sum(parts))
    assert record["run"]["steps"] == report.run.steps and record["datasets"][0]["refused"] > 0
    show(report)
    shown = capsys.readouterr().out.splitlines()
    for name in ("model", "setup", "dataset", "steps", "tokens/step", "ranks busy", "time", "memory/GPU"):
        assert sum(line.startswith(name) for line in shown) == 1, name
    assert shown[-1].startswith("ERROR: ") and "set `sequence_len:" in shown[-1]
