"""Opening writers by their declaration, and a build with the writer of another package."""

import importlib
import json
import os
import subprocess
import sys
import tomllib
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from in2_plugin import layout
from in2_plugin.config import QuestionsConfig
from in2_plugin.config import writers as registry
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import ArrayJobDone, ConfigError
from in2_plugin.pipeline.array_job import ArrayJob
from in2_plugin.pipeline.build import build_dataset
from in2_plugin.pipeline.stages.array_job_questions import ASKED
from in2_plugin.questions.extractive.writer import ExtractiveWriter
from in2_plugin.questions.model.writer import ModelWriter
from in2_plugin.questions.writers import WriterSetup, WriterSpec, open_writer
from tests.support import ROOT
from tests.support.builds import Quiet, small_config

THIRD_PARTY = ROOT / "tests/support/third_party_writer"
BUILD_FILE = """
output: in2
tokenizer: {tokenizer}
workers: 2
corpus: {{sources: [{{path: "bundled:python-docs", limit: 60}}]}}
mixture: {{fine_grained: 20, integration: 0, short_context: 0}}
lengths: {{min: 512, max: 1024}}
questions: {{writer: first_words, settings: {{answered: 6}}}}
"""


def opened(tmp_path: Path, **section: object):
    return open_writer(QuestionsConfig.parse(section, "test"), 7, tmp_path / "work.sqlite", print)


def test_the_extractive_writer_opens_with_the_seed(tmp_path):
    with opened(tmp_path) as writer:
        assert isinstance(writer, ExtractiveWriter)


@pytest.mark.parametrize(
    "section",
    [
        {"writer": "endpoint", "endpoint": {"model": "m", "api_key_env": None}},
        {"writer": "vllm", "vllm": {"model": "m"}},
    ],
)
def test_writers_that_ask_a_model_share_one_class(tmp_path, section):
    config = QuestionsConfig.parse(section, "test")
    writer = config.writer_spec.open(WriterSetup(config, None, 7, tmp_path / "work.sqlite", print))  # loads no vLLM yet
    assert isinstance(writer, ModelWriter)
    assert writer.name == f"{section['writer']}:m/prompts-1"


def test_no_other_writer_has_the_name_of_ours_for_records(declared, tmp_path):
    spec, use = declared
    use(replace(spec, open=lambda setup: nullcontext(SimpleNamespace(name="records/of-mine"))))
    expected = "`writer: first_words` gives its questions the name 'records/of-mine'"
    with pytest.raises(ConfigError, match=expected), opened(tmp_path, writer="first_words"):
        pass


def install(folder: Path) -> dict[str, str]:
    """Lay out the package as pip does, and return the environment that finds it."""
    project = tomllib.loads((THIRD_PARTY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
             for group, entries in project["entry-points"].items()]  # fmt: skip
    (info / "entry_points.txt").write_text("\n".join(lines))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (folder, THIRD_PARTY, ROOT)))}


def test_a_build_uses_the_writer_of_another_package(mistral_folder, tmp_path):
    environment = install(tmp_path / "site")
    (tmp_path / "build.yml").write_text(BUILD_FILE.format(tokenizer=mistral_folder))
    command = [sys.executable, "-m", "in2_plugin.cli", "build", "build.yml"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = list(read_rows(tmp_path / "in2/questions.parquet"))
    assert len(rows) == 20
    assert {(row["writer"], row["form"], len(row["answer"].split())) for row in rows} == {
        ("first_words/1", "first_words", 6)
    }
    asked = {turn["question"] for row in read_rows(tmp_path / "in2/examples.parquet") for turn in row["turns"]}
    assert asked == {row["question"] for row in rows}
    build = json.loads((tmp_path / "in2/build.json").read_text())
    assert build["questions"]["settings"] == {"quoted": 8, "answered": 6}
    card = (tmp_path / "in2/README.md").read_text()
    assert "Questions by the `first_words` writer: made from the first words of segments." in card


@pytest.fixture
def declared(monkeypatch):
    """The declaration of the other package, registered in this process under the name `first_words`."""
    monkeypatch.syspath_prepend(THIRD_PARTY)
    spec: WriterSpec = importlib.import_module("first_words").FIRST_WORDS
    found = registry.find_writer

    def use(spec: WriterSpec) -> None:
        for module in ("in2_plugin.config.questions", "in2_plugin.sharing.card"):
            monkeypatch.setattr(f"{module}.find_writer", lambda name: spec if name == "first_words" else found(name))

    return spec, use


def test_a_writer_with_neither_workers_nor_a_work_log_writes_in_one_process(declared, mistral_folder, tmp_path):
    spec, use = declared
    use(WriterSpec(spec.open, spec.description, settings=spec.settings))
    changes = {"mixture": {"fine_grained": 20, "integration": 0}, "questions": {"writer": "first_words"}}
    asked = small_config(tmp_path / "in2", mistral_folder, **changes)
    build_dataset(asked, Quiet())
    assert {row["writer"] for row in read_rows(asked.output / "questions.parquet")} == {"first_words/1"}
    for name in (layout.MANIFEST, layout.QUESTIONS):
        (asked.output / name).unlink()
    with pytest.raises(ArrayJobDone, match="questions: "):
        build_dataset(asked, Quiet(), array_job=ArrayJob(1, 2))
    assert not (asked.output / layout.PARTS / ASKED).exists()
