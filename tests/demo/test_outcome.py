import json
from dataclasses import asdict, replace

import pytest

from in2_plugin.demo.folder import DemoFolder
from in2_plugin.demo.outcome import how_to_try, read_verdict, summary_of
from in2_plugin.demo.plan import Stage
from in2_plugin.errors import DemoFailed
from in2_plugin.io.atomic import write_json_atomic
from in2_plugin.io.resources import packaged_folder
from tests.demo.conftest import CPU


@pytest.fixture
def folder(tmp_path):
    found = DemoFolder(tmp_path)
    found.claim({})
    return found


def said(folder, task, name):
    return summary_of(Stage(name, "", (), task=task), folder)


def write(folder, name, value):
    (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
    write_json_atomic(folder.path / name, value)


def test_one_line_about_each_stage(folder):
    write(folder, "speed.json", asdict(CPU))
    write(folder, "probe/probe.json", {"counts": {"questions": 60}, "n_depths": 5, "lengths": [1024, 4096]})
    write(folder, "data/manifest.json", {"examples": 160, "counts": {"tokens": 123_456}})
    write(folder, "results/before/m/results_2026.json", {"results": {"in2_probe_context": {"acc,none": 0.125}}})
    folder.log("train").write_text("{'loss': '4.0'}\n{'loss': '1.0'}\n")
    assert said(folder, "model", "model") == "620,416 parameters; float32, 2 cores, 50 tokens/s"
    assert said(folder, "probe", "probe") == "60 questions at 5 depths of 1,024 and 4,096 tokens"
    assert said(folder, "data", "data") == "160 contexts, 123,456 tokens"
    assert said(folder, "evaluation", "before") == "12% of the answers are right"
    assert said(folder, "training", "train") == "loss 4.00 █▃ 1.00"


def test_results_that_are_missing_are_an_error(folder):
    with pytest.raises(DemoFailed, match="lm_eval wrote no results"):
        said(folder, "evaluation", "before")


def test_the_verdict_is_that_of_the_own_probe(folder):
    headline = {"sentence": "Improved.", "next_step": "", "average": "0 → 9", "dip": "0 → 1"}
    others = [{**headline, "task": "code", "sentence": "Not this."}, {**headline, "task": "in2_probe"}]
    (folder.path / "demo.json").write_text(json.dumps({"headlines": others}))
    assert read_verdict(folder).sentence == "Improved."
    (folder.path / "demo.json").write_text(json.dumps({"headlines": []}))
    with pytest.raises(DemoFailed, match="compares no probe"):
        read_verdict(folder)


def test_how_to_try_names_commands_with_a_new_folder(request_of):
    packaged = replace(request_of(), recipe=packaged_folder("recipes") / "smollm2-135m")
    assert how_to_try(packaged) == (
        "in2 demo NEW-FOLDER --full                 # longer, also on longer contexts",
        "in2 demo NEW-FOLDER --model NAME-OR-FOLDER # another model",
        "in2 recipes copy smollm2-135m              # other numbers: edit the copy",
        "in2 demo NEW-FOLDER --recipe ./smollm2-135m",
    )
    own = request_of(is_full=True)
    assert "--full" not in how_to_try(own)[0]
    assert how_to_try(own)[-1] == f"in2 demo NEW-FOLDER --recipe {own.recipe} # after a change of its numbers"
