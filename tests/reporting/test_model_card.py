"""The model card of probes, read back by huggingface_hub, which reads it for the Hub."""

import pytest
from huggingface_hub import ModelCard

from in2_plugin.errors import ReportError
from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.model_card import model_card
from in2_plugin.reporting.position.read import read_position_models
from in2_plugin.reporting.read_results import read_models
from tests.support import position_results as made


@pytest.fixture
def card(tmp_path, comparison):
    made.write(tmp_path / "p", "org/p", made.only_ends)
    return model_card([compare(read_position_models(read_models([tmp_path / "p"], ["p|q"])))])


def test_the_hub_reads_the_results_of_a_position_probe(card):
    data = ModelCard(card, ignore_metadata_errors=False).data
    found = {one.metric_type: one for one in data.eval_results}
    assert {name: one.metric_value for name, one in found.items()} == {
        "avg": 40.0, "dip": 100.0, "closed_book": 0.0, "gold_only": 100.0,
    }  # fmt: skip
    assert data.model_name == "org/p"
    assert found["dip"].dataset_type == "litm_qa_context"
    assert found["dip"].dataset_args == {"length": 4096, "answers": 400, "questions": "0123456789abcdef"}
    assert data.eval_results[0].task_type == "question-answering"


def test_the_table_escapes_labels(card):
    lines = card.split("---\n\n")[1].splitlines()
    assert lines[0].startswith("| Probe | Model | Average over depths, % |")
    assert r"p\|q" in lines[2]
    assert lines[2].endswith("| 0.0 | 100.0 |")


def test_the_hub_reads_the_results_of_val_probes(comparison):
    found = ModelCard(model_card([comparison]), ignore_metadata_errors=False).data.eval_results
    assert len(found) == 6
    assert {one.dataset_type for one in found} == {"val_probe_document", "val_probe_code", "val_probe_database"}


def test_a_model_without_probes_has_no_card(tmp_path, before):
    with pytest.raises(ReportError, match="has no results of a probe"):
        model_card([compare(read_position_models(read_models([before])))])
