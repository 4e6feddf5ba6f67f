import json
import statistics

import pytest

from in2_plugin.dataset.tables import read_rows
from tests.support.audits import long_ones


def test_the_summary_counts_the_rows_of_the_dataset(built):
    data = json.loads((built / "audit.json").read_text())["data"]
    rows = list(read_rows(built / "examples.parquet"))
    golds = sum(len(turn["gold"]) for row in long_ones(rows) for turn in row["turns"])
    assert sum(map(sum, data["depth_by_length"]["counts"])) == sum(data["depth"]["counts"]) == golds
    assert sum(data["length"]["counts"]) == len(long_ones(rows)) == 100
    assert sum(data["answer_tokens"]["counts"]) == data["examples"] == len(rows)
    assert {part["part"]: part["have"] for part in data["parts"]} == {
        "fine_grained": 70, "integration": 30, "short_context": 30, "general": 0,
    }  # fmt: skip
    assert sum(n for style in data["forms"].values() for n in style.values()) == len(rows)
    segments = [len(row["segment_ids"]) for row in long_ones(rows)]
    assert data["segments_per_context"] == {
        "contexts": 100, "single": segments.count(1), "few": sum(n < 10 for n in segments),
        "least": min(segments), "median": statistics.median(segments), "most": max(segments),
    }  # fmt: skip
    assert data["middle_fifth"] == pytest.approx(0.2, abs=0.1)
    assert data["segments"]["in_use"] == len({i for row in rows for i in row["segment_ids"]})
