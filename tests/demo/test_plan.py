import json
from dataclasses import replace

import pytest
import yaml

from in2_plugin.demo.folder import DemoFolder
from in2_plugin.demo.plan import first_stage, later_stages, trainer_of
from tests.demo.conftest import CPU


@pytest.fixture
def planned(request_of, tmp_path):
    """Return a function that gives the stages by name, and the settings that were written."""

    def of(speed=CPU, **fields):
        folder = DemoFolder(tmp_path)
        stages = later_stages(request_of(**fields), speed, folder)
        written = {file: yaml.safe_load((tmp_path / file).read_text()) for stage in stages for file in stage.files}
        return {stage.name: stage for stage in stages}, written

    return of


def test_the_short_demo(planned):
    stages, files = planned()
    assert list(stages) == ["probe", "data", "before", "train", "after", "report"]
    assert files["probe.yml"] == {
        "output": "probe", "tokenizer": "model", "documents": 5, "corpus": {"segment_tokens": 64}
    }  # fmt: skip
    assert files["build.yml"]["corpus"]["decontamination"] == {"against": ["probe"]}
    assert files["build.yml"]["mixture"] == {"fine_grained": 9, "integration": 0}
    training = files["axolotl.yml"]
    assert (training["base_model"], training["output_dir"], training["learning_rate"]) == ("model", "out", 0.001)
    assert training["auto_resume_from_checkpoints"] is True and training["bf16"] is False
    assert stages["train"].commands == (("axolotl", "train", "axolotl.yml", "--launcher", "python"),)


def test_the_same_questions_before_and_after(planned):
    stages, _ = planned()
    before, after = (list(stages[name].commands[0]) for name in ("before", "after"))
    model = before.index("--model_args") + 1
    assert json.loads(before[model]) == {"pretrained": "model", "dtype": "float32"}
    assert json.loads(after[model])["pretrained"] == "out"
    assert json.loads(before[before.index("--metadata") + 1]) == {"probe": "probe", "probe_length": 1024}
    assert before[: before.index("--use_cache")] == [
        *after[:model], before[model], *after[model + 1 : after.index("--use_cache")]
    ]  # fmt: skip
    assert "max_gen_toks=8" in before


def test_the_full_demo_trains_on_from_the_first_round(planned):
    stages, files = planned(is_full=True)
    names = ["probe", "data-1K", "data-4K", "before", "train-1K", "after-1K", "train-4K", "after-4K", "report"]
    assert list(stages) == names
    assert files["axolotl-4K.yml"]["base_model"] == "out-1K" and files["axolotl-4K.yml"]["output_dir"] == "out-4K"
    assert files["build-4K.yml"]["tokenizer"] == "model" and files["build-4K.yml"]["lengths"] == {"max": 4096}
    assert stages["report"].commands[0][2:8] == (
        "results/before", "results/after-1K", "results/after-4K", "--label", "before", "--label"
    )  # fmt: skip


def test_corpus_and_model_of_the_user(planned, request_of):
    _, files = planned(corpus="/texts", model="/models/mine")
    assert files["probe.yml"]["corpus"]["sources"] == files["build.yml"]["corpus"]["sources"] == ["/texts"]
    assert files["axolotl.yml"]["base_model"] == files["probe.yml"]["tokenizer"] == "/models/mine"
    assert len(first_stage(request_of(model="/models/mine")).commands) == 1
    get, measure = first_stage(request_of()).commands
    assert get == ("in2", "model", "get", "tiny", "--output", "model") and "model" in measure


def test_axolotl_trains_where_it_is_installed_in_the_fastest_dtype(planned, request_of, monkeypatch):
    stages, files = planned(replace(CPU, dtype="bfloat16"))
    assert files["axolotl.yml"]["bf16"] is True and stages["train"].does.endswith("in bfloat16")
    settings = request_of().settings
    free = settings.model_copy(update={"trainer": None})
    for installed, name in ((object(), "axolotl"), (None, "trl")):
        monkeypatch.setattr("in2_plugin.demo.plan.find_spec", lambda _, found=installed: found)
        assert (trainer_of(settings), trainer_of(free)) == ("axolotl", name)


def test_the_file_of_trl(planned, request_of, recipe):
    text = (recipe / "demo.yml").read_text()
    (recipe / "demo.yml").write_text(text.replace("trainer: axolotl", "trainer: trl"))
    stages, files = planned()
    assert files["sft.yml"]["use_cpu"] is True and files["sft.yml"]["max_steps"] == 3
    assert files["sft.yml"]["datasets"] == [{"path": "in2", "data_dir": "data"}]
    assert stages["train"].commands[0][:2] == ("in2", "sft")
