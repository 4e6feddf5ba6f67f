"""The course of a demo, with commands that only write what the real ones write."""

import io
import json
import re
from dataclasses import asdict

import pytest

from in2_plugin.demo import run
from in2_plugin.errors import ConfigError, CorpusError, DemoFailed, FolderLocked
from in2_plugin.io.atomic import write_json_atomic
from in2_plugin.io.lock import folder_lock
from tests.demo.conftest import CPU

HEADLINE = {
    "task": "in2_probe", "sentence": "Improved: from 0.0% right answers (before) to 67.1% (after).", "next_step": "",
    "average": "0.0 [0.0, 1.2] → 67.1 [60.2, 73.9]", "dip": "+0.0 [-2.0, +2.0] → +3.0 [-4.0, +9.0]",
}  # fmt: skip


class Commands:
    """Stands for `run_logged`: writes the files of each command, and can fail at one."""

    def __init__(self):
        self.ran, self.fails, self.next_step = [], "", ""

    def __call__(self, command, folder, log, environment, look):
        self.ran.append(command)
        name = next(word for word in command if word in WRITES)
        if name == self.fails:
            raise DemoFailed("broken")
        file, value = WRITES[name]
        if name == "lm-eval":
            file = f"{command[-1]}/m/results_1.json"
        if name == "report":
            value = {"headlines": [{**HEADLINE, "next_step": self.next_step}]}
            (folder / "demo.html").touch()
        with log.open("a") as out:
            out.write("{'loss': '2.0'}\n 10%| | 3/30 [00:01<00:09]\n")
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        write_json_atomic(folder / file, value)
        look()

    def names(self):
        return [next(word for word in command if word in WRITES) for command in self.ran]


WRITES = {
    "model": ("model/config.json", {}),
    "in2_plugin.demo.speed": ("speed.json", asdict(CPU)),
    "probe": ("probe/probe.json", {"counts": {"questions": 60}, "n_depths": 5, "lengths": [1024]}),
    "build": ("data/manifest.json", {"examples": 160, "counts": {"tokens": 9}}),
    "lm-eval": ("", {"results": {"in2_probe_context": {"acc,none": 0.5}}}),
    "train": ("out/config.json", {}),
    "sft": ("out/config.json", {}),
    "report": ("demo.json", {}),
}
"""First word of a command that is here -> file and content."""
WHOLE = ["model", "in2_plugin.demo.speed", "probe", "build", "lm-eval", "train", "lm-eval", "report"]


@pytest.fixture
def commands(monkeypatch):
    fake = Commands()
    monkeypatch.setattr(run, "run_logged", fake)
    return fake


@pytest.fixture
def demo(request_of, tmp_path):
    """Return a function that runs the demo and returns what it printed."""

    def start(**fields):
        out = io.StringIO()
        run.run_demo(tmp_path / "work", request_of(**fields), out)
        return out.getvalue()

    return start


def test_a_demo_from_start_to_verdict(commands, demo, tmp_path):
    shown = demo()
    assert commands.names() == WHOLE
    lines = shown.splitlines()
    assert (len(lines) <= 25 and max(map(len, lines)) <= 80) or str(tmp_path) in max(lines, key=len)
    assert re.search(
        r"^5/7  train +train with Axolotl in float32 +about 4 min$", shown, re.M
    )  # half as fast: 2 x 120 s
    assert re.search(r"^4/7  before +ask the model before training +about 2 min$", shown, re.M)
    assert "to 67.1% (after)." in shown and "average           0.0 [0.0, 1.2] → 67.1" in shown
    assert lines[-1].endswith("demo.html") and "What to try" not in shown


def test_a_finished_demo_runs_nothing_again(commands, demo):
    demo()
    commands.ran.clear()
    shown = demo()
    assert commands.ran == [] and shown.count("done before") == 7 and "Improved" in shown


def test_an_interrupted_demo_goes_on_where_it_stopped(commands, demo, tmp_path):
    commands.fails = "train"
    with pytest.raises(DemoFailed, match="broken"):
        demo()
    commands.fails = ""
    commands.ran.clear()
    shown = demo()
    assert commands.names() == ["train", "lm-eval", "report"] and shown.count("done before") == 4


def test_training_resumes_from_a_checkpoint(commands, demo, tmp_path, recipe):
    (recipe / "demo.yml").write_text((recipe / "demo.yml").read_text().replace("trainer: axolotl", "trainer: trl"))
    commands.fails = "sft"
    with pytest.raises(DemoFailed):
        demo()
    commands.fails = ""
    write = tmp_path / "work/out/checkpoint-5/trainer_state.json"
    write.parent.mkdir(parents=True)
    write.write_text("{}")
    demo()
    resumed = next(command for command in reversed(commands.ran) if "sft" in command)
    assert resumed[-2:] == ("--resume_from_checkpoint", "out/checkpoint-5")


def test_unfinished_results_are_removed_and_cached_answers_kept(commands, demo, tmp_path):
    commands.fails = "train"
    with pytest.raises(DemoFailed):
        demo()
    old = [tmp_path / "work" / name for name in ("results/after/old.json", "prepared/old", "cache/after.db")]
    for file in old:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    commands.fails = ""
    demo()
    assert [file.exists() for file in old] == [False, False, True]


def test_a_changed_recipe_or_option_is_refused(commands, demo, recipe):
    demo()
    with pytest.raises(ConfigError, match=r"`corpus: default`, now it is `/texts`"):
        demo(corpus="/texts")
    (recipe / "build.yml").write_text((recipe / "build.yml").read_text() + "seed: 1\n")
    with pytest.raises(ConfigError, match="other settings in its recipe"):
        demo()


def test_an_unreadable_corpus_leaves_the_folder_free_for_another(commands, demo, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="none of the 0 files"):
        demo(corpus=str(tmp_path / "empty"))
    assert commands.ran == []
    demo()


def test_a_small_corpus_is_divided_once(commands, demo, tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(6):
        (texts / f"{number}.txt").write_text("Text.")
    assert "the corpus is small: 3 of its documents" in demo(corpus=str(texts))
    assert "documents: 3\n" in (tmp_path / "work/probe.yml").read_text()
    (texts / "0.txt").unlink()
    assert "the corpus is small: 3 of its documents" in demo(corpus=str(texts))


def test_a_folder_of_another_kind_stays_as_it_is(commands, demo, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work/thesis.tex").touch()
    with pytest.raises(ConfigError, match="not a demo's folder"):
        demo()
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["thesis.tex"]


def test_a_file_is_no_folder(commands, demo, tmp_path):
    (tmp_path / "work").touch()
    with pytest.raises(ConfigError, match="work: is a file; give a folder"):
        demo()


def test_two_demos_in_one_folder_are_refused(commands, demo, tmp_path):
    (tmp_path / "work").mkdir()
    with folder_lock(tmp_path / "work", name="demo.lock"), pytest.raises(FolderLocked, match="in use by process"):
        demo()


def test_without_an_improvement_it_says_what_to_try(commands, demo):
    commands.next_step = "Train a larger model."
    shown = demo()
    assert "What to try: Train a larger model." in shown and "\n  in2 demo NEW-FOLDER --full  " in shown


def test_a_command_that_writes_nothing_is_an_error(commands, demo, monkeypatch):
    monkeypatch.setitem(WRITES, "train", ("elsewhere.json", {}))
    with pytest.raises(DemoFailed, match=r"did not write out/config\.json"):
        demo()


def test_the_full_demo(commands, demo, monkeypatch, tmp_path):
    monkeypatch.setitem(WRITES, "build", ("data-1K/manifest.json", WRITES["build"][1]))
    commands.fails = "lm-eval"
    with pytest.raises((DemoFailed, FileNotFoundError)):
        demo(is_full=True)
    assert json.loads((tmp_path / "work/in2_demo.json").read_text())["full"] is True
