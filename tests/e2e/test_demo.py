"""The demo with the real commands: on a tiny model, killed while it trains, and on the model of the recipe."""

import json
import signal
import subprocess
import time
from itertools import count, islice
from pathlib import Path

import pytest

from in2_plugin.config import CorpusConfig
from in2_plugin.corpus.sources.documents import read_documents
from tests.support.e2e_run import ENVIRONMENT, run
from tests.support.tiny_model import save_tiny_mistral

pytestmark = pytest.mark.slow
DOCUMENTS = 60


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A tiny random model, and some documents of the bundled corpus."""
    folder = tmp_path_factory.mktemp("demo")
    save_tiny_mistral(folder / "model", window=1_024)
    (folder / "texts").mkdir()
    for number, document in enumerate(islice(read_documents(CorpusConfig().sources), DOCUMENTS)):
        (folder / f"texts/{number:02}.txt").write_text(document.text, encoding="utf-8")
    return folder


def command(work: str, *options: str) -> list[str]:
    return ["in2", "demo", work, "--recipe", "smoke", "--model", "model", "--corpus", "texts", *options]


def start(place: Path, work: str, *options: str) -> subprocess.Popen:
    with (place / f"{work}.out").open("a") as out:
        return subprocess.Popen(command(work, *options), cwd=place, env=ENVIRONMENT, stdout=out, stderr=out)


def kill(demo: subprocess.Popen) -> None:
    demo.send_signal(signal.SIGKILL)
    demo.wait()


def check_finished(work: Path) -> None:
    value = json.loads((work / "demo.json").read_text())
    assert [one["task"] for one in value["headlines"]] == ["in2_probe"]
    assert "<svg" in (work / "demo.html").read_text() and value["warnings"] == []
    labels = [model["label"] for model in value["position_probes"]["models"]]
    assert labels[0] == "before" and len(list((work / "stages").iterdir())) == 1 + 3 * len(labels)


def test_a_demo_that_is_killed_while_it_trains_goes_on_there(place):
    demo, work = start(place, "work"), place / "work"
    while not (work / "out/checkpoint-5/trainer_state.json").exists():
        assert demo.poll() is None, (place / "work.out").read_text()
        time.sleep(0.1)
    kill(demo)
    shown = run(*command("work"), cwd=place)
    assert shown.count("done before") == 4 and "No improvement shown" in shown
    assert "What to try: after gives 0.0% right answers even from the gold segment" in shown
    lines = shown.splitlines()
    assert len(lines) <= 32 and lines[-1].endswith("work/demo.html")
    assert "--resume_from_checkpoint out/checkpoint-" in (work / "logs/train.log").read_text()
    check_finished(work)
    said = run("in2", "demo", "work", "--recipe", "smoke", "--model", "model", cwd=place, ok=False)
    assert said.startswith("error: ") and "another folder, or delete this one" in said


@pytest.mark.e2e_full
@pytest.mark.parametrize("options", [(), ("--full",)])
def test_a_demo_that_is_killed_again_and_again_ends_as_if_it_had_not_been(place, options):
    pytest.importorskip("axolotl")
    work = "killed" + "".join(options)
    for attempt in count():
        demo = start(place, work, *options)
        try:
            assert demo.wait(timeout=6 + 3 * attempt) == 0
            break
        except subprocess.TimeoutExpired:
            kill(demo)
    assert attempt > 2
    check_finished(place / work)


@pytest.mark.e2e_full
def test_the_demo_of_the_recipe_improves_the_model(tmp_path):
    got = subprocess.run(["in2", "model", "get", "smollm2-135m"], cwd=tmp_path, env=ENVIRONMENT, check=False)
    if got.returncode:
        pytest.skip("the Python package index cannot be reached")
    shown = run("in2", "demo", "work", "--model", "smollm2-135m", cwd=tmp_path, timeout=7_200)
    assert "Improved: " in shown
