"""The section of a position probe on the page: what leads, what stands beside the curve, and the examples."""

import json
from dataclasses import replace

import pytest

from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.page import render_page
from in2_plugin.reporting.position import section
from in2_plugin.reporting.position.section import position_sections
from in2_plugin.reporting.write import write_report
from tests.reporting.test_page import Page
from tests.support import position_results as made


@pytest.fixture
def page(compared):
    def render(**models):
        position = compared(**models)
        without_val = compare([replace(model, probes={}, tasks={}, notes=()) for model in position.models])
        return Page(render_page(without_val, None, position, position_sections(position)))

    return render


def test_verdict_curve_controls_power_and_examples_follow_each_other(page):
    shown = page(m={"answers": made.only_ends, "integration": 20, "lengths": (4096, 8192)}).visible_text()
    parts = [
        "Multi-document questions",
        "m loses the middle of the context.",
        "what the model can do when nothing distracts it",
        "what the model knows already",
        "with 40 questions at 10 depths, a dip of",
        "8K, 100% of the window",
        "Questions with two golds",
        "by distance of the golds",
        "m: right at the end of the context, wrong in the middle",
        "What is the code of clause 0 <b>?",
    ]
    places = [shown.index(part) for part in parts]
    assert places == sorted(places)


def test_before_and_after_are_side_by_side(page):
    shown = page(first=made.only_ends, second=made.reader).visible_text()
    assert "In the middle: wrong with first, right with second" in shown
    assert "It is not stated. depth 45% code0000 depth 45%" in shown


def test_without_samples_one_line_says_how_to_get_examples(page):
    shown = page(m={"answers": made.only_ends, "log": False}).visible_text()
    assert shown.count("--log_samples") == 1


def test_ids_are_unique(page):
    found = page(a={"answers": made.only_ends, "integration": 5, "lengths": (4096, 8192)}, b=made.reader)
    ids = [value for _, name, value in found.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_seven_models_have_small_plots(page):
    shown = page(**{f"m{i}": made.only_ends for i in range(7)}).visible_text()
    assert shown.count("m3 loses the middle") + shown.count("From m0 to m3") == 1


def test_the_json_file_has_everything(tmp_path):
    made.write(tmp_path / "m", "m", made.only_ends, integration=20)
    written = write_report([tmp_path / "m"], tmp_path / "r.html")
    value = json.loads((tmp_path / "r.json").read_text())
    assert value == json.loads(json.dumps(written.record))
    (section,) = value["position_probes"]["sections"]
    assert section["verdicts"][0].startswith("m loses the middle")
    (model,) = section["models"]
    assert (model["gold_only"], model["closed_book"]) == (1.0, 0.0)
    assert len(model["lost"]) == 5
    assert model["two_golds"]["answers"] == 200
    assert value["position_probes"]["models"][0]["tasks"]["litm_qa"]["position"]["dip"]["interval"]
    assert [path.name for path in written.paths] == ["r.html", "r.json", "r.png"]


def test_a_report_has_both_kinds_of_probes(tmp_path, before):
    made.write(before, "mistralai/Mistral-7B-Instruct-v0.2", made.only_ends)
    written = write_report([before], tmp_path / "r.html")
    assert [path.name for path in written.paths] == ["r.html", "r.json", "r.png", "r-position.png"]
    assert "VAL and position probes:" in (tmp_path / "r.html").read_text()


def test_a_table_without_examples_is_left_out(page):
    shown = page(first=made.reader, second=made.reader).visible_text()
    assert "wrong with first" not in shown


def test_without_a_curve_the_page_has_score_and_map(tmp_path, page):
    settings = {"answers": made.only_ends, "questions": 0, "integration": 20, "lengths": (4096, 8192)}
    shown = page(a=settings, b=settings).visible_text()
    assert "every question has several golds; see the map" in shown
    assert "by distance of the golds" in shown
    written = write_report([tmp_path / "a", tmp_path / "b"], tmp_path / "r.html")
    assert [path.name for path in written.paths] == ["r.html", "r.json"]
    json.dumps(written.record, allow_nan=False)


def test_a_model_without_a_curve_is_left_out_of_the_plot(page):
    shown = page(a=made.only_ends, b={"answers": made.only_ends, "questions": 0, "integration": 20}).visible_text()
    assert "a: ends minus middle +100.0" in shown
    assert "b: ends minus middle" not in shown


def test_the_sections_are_made_once(tmp_path, monkeypatch):
    made.write(tmp_path / "m", "m", made.only_ends)
    calls = []
    monkeypatch.setattr(section, "lost_in_the_middle", lambda result: calls.append(result) or [])
    written = write_report([tmp_path / "m"], tmp_path / "r.html")
    assert len(calls) == 1 and written.sections[0].task == "litm_qa"
