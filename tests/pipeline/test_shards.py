"""Shards in `parts/`: any size and number of workers, resumed after a kill, never used for another corpus."""

import signal
import subprocess
import sys
import time

import pytest

from in2_plugin.dataset.build_record import BuildFileChange
from in2_plugin.errors import ArrayJobDone
from in2_plugin.pipeline.array_job import ArrayJob
from in2_plugin.pipeline.build import build_dataset
from tests.support.builds import Quiet, small_config
from tests.support.sharded_builds import assert_same, config, small_shards

pytestmark = pytest.mark.slow


@pytest.mark.e2e_full
def test_small_shards_and_several_workers_change_no_byte(whole, corpus, mistral_folder, tmp_path):
    with small_shards():
        build_dataset(config(corpus, tmp_path / "in2", mistral_folder, workers=3), Quiet())
    assert_same(whole, tmp_path / "in2")


DRIVER = """
import sys
from pathlib import Path
from tests.support.builds import Quiet
from in2_plugin.pipeline.build import build_dataset
from in2_plugin.config import BuildConfig
from tests.support.sharded_builds import assert_same, config, small_shards, write_corpus
if __name__ == "__main__":
    with small_shards():
        build_dataset(BuildConfig.model_validate_json(Path(sys.argv[1]).read_text()), Quiet())
"""


@pytest.mark.e2e_full
@pytest.mark.parametrize("stage", ["segments-0", "examples"])
def test_a_killed_driver_goes_on_where_its_finished_shards_end(whole, corpus, mistral_folder, tmp_path, stage):
    asked = config(corpus, tmp_path / "in2", mistral_folder, workers=2)
    parts = asked.output / "parts" / stage
    (tmp_path / "driver.py").write_text(DRIVER)
    (tmp_path / "asked.json").write_text(asked.model_dump_json())
    child = subprocess.Popen([sys.executable, "driver.py", "asked.json"], cwd=tmp_path)
    try:
        while len(list(parts.glob("*.arrow"))) < 2:
            assert child.poll() is None, "it ended before it could be killed"
            time.sleep(0.002)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    finished = {path.name: path.stat().st_mtime_ns for path in parts.glob("*.arrow")}
    seen: dict[str, int] = {}

    class Watching(Quiet):
        def stage(self, name, total, detail=None):
            if name in {"merging segments", "writing examples"}:
                seen.update({path.name: path.stat().st_mtime_ns for path in parts.glob("*.arrow")})
            return super().stage(name, total, detail)

    with small_shards():
        build_dataset(asked, Watching())
    assert len(seen) > len(finished) >= 2
    assert {name: seen[name] for name in finished} == finished
    assert_same(whole, asked.output)


@pytest.mark.e2e_full
def test_shards_of_another_corpus_are_not_taken(corpus, mistral_folder, tmp_path):
    first = config(corpus, tmp_path / "in2", mistral_folder)
    with small_shards(), pytest.raises(ArrayJobDone):
        build_dataset(first, Quiet(), array_job=ArrayJob(1, 2))
    other = tmp_path / "other.jsonl"
    other.write_text((corpus / "b.jsonl").read_text(encoding="utf-8"), encoding="utf-8")
    second = small_config(tmp_path / "in2", mistral_folder, corpus={"sources": [str(other)]})
    with small_shards():
        build_dataset(second, Quiet(), BuildFileChange.RESTART)
    build_dataset(small_config(tmp_path / "fresh", mistral_folder, corpus={"sources": [str(other)]}), Quiet())
    assert_same(tmp_path / "fresh", tmp_path / "in2")
