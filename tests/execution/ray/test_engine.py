"""Builds on a Ray cluster: several nodes, killed workers, nodes and drivers, and object storage."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyarrow.fs import FileSelector

from in2_plugin.config import BuildConfig, RayConfig
from in2_plugin.errors import ConfigError, CorpusError, WorkerDied
from in2_plugin.execution.ray.engine import RayEngine
from in2_plugin.execution.ray.worker import MAX_ATTEMPTS
from in2_plugin.io.remote import remote_path
from in2_plugin.pipeline.build import build_dataset
from in2_plugin.sharing.export import export_dataset
from in2_plugin.sharing.formats import Format
from tests.support.builds import Quiet
from tests.support.ray_cluster import add_node, small_ray
from tests.support.ray_functions import Dying, failing, read, square
from tests.support.s3_server import S3Server
from tests.support.sharded_builds import assert_same, config, small_shards, write_corpus

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def storage():
    with S3Server() as server:
        server.put("bucket/keep", b"")
        yield server


@pytest.fixture(scope="module")
def cluster(storage):
    with small_ray() as outputs:
        yield outputs


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, documents) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), [document.text for document in documents[:200]])


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory, mistral_folder) -> Path:
    """Build the dataset in one process on this machine, with one shard per stage."""
    folder = tmp_path_factory.mktemp("whole") / "in2"
    build_dataset(config(corpus, folder, mistral_folder), Quiet())
    return folder


@pytest.fixture
def engine(cluster, tmp_path):
    with RayEngine(RayConfig(), tmp_path, None, print) as opened:
        yield opened


def paths(folder: Path, n: int) -> list[Path]:
    return [folder / f"{i}.out" for i in range(n)]


def build_on(engine: RayEngine, build_config: BuildConfig, progress: Quiet) -> None:
    with small_shards(), engine:
        build_dataset(build_config, progress, engine=engine)


def test_a_killed_worker_is_replaced_and_its_shard_is_complete(engine, tmp_path):
    record = tmp_path / "record"
    record.mkdir()
    outputs = paths(tmp_path, 4)
    assert list(engine.write_shards(Dying(record, times=1), range(4), outputs)) == [0, 1, 2, 3]
    assert [path.read_text() for path in outputs] == [f"{i} starts, {i} ends" for i in range(4)]
    assert len(list(record.iterdir())) == 1


@pytest.mark.e2e_full
def test_a_shard_that_kills_every_worker_ends_the_run(engine, tmp_path):
    record = tmp_path / "record"
    record.mkdir()
    outputs = paths(tmp_path, 3)
    with pytest.raises(WorkerDied, match=f"{MAX_ATTEMPTS} workers were killed while they ran the same shard"):
        list(engine.write_shards(Dying(record, times=100), [0, 1, 2], outputs))
    assert len(list(record.iterdir())) == MAX_ATTEMPTS
    assert not outputs[2].exists()


def test_results_keep_their_order_and_an_error_is_raised_unchanged_without_its_shard(engine, tmp_path):
    assert list(engine.stream(square, range(9))) == [i * i for i in range(9)]
    outputs = paths(tmp_path, 3)
    with pytest.raises(CorpusError, match=r"^news\.jsonl:17: is not JSON; fix the line$"):
        list(engine.write_shards(failing, [0, 2, 1], outputs))
    assert [path.read_bytes() for path in outputs[:2]] == [b"", b"chunkchunk"]
    assert not outputs[2].exists()


def test_an_address_without_a_cluster_is_reported(tmp_path):
    command = [
        sys.executable,
        "-m",
        "in2_plugin.cli",
        "build",
        "build.yml",
        "--engine",
        "ray",
        "--address",
        "127.0.0.1:1",
    ]
    (tmp_path / "build.yml").write_text("output: o\ntokenizer: t\n")
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1
    assert "error: the Ray cluster at 127.0.0.1:1 cannot be used" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.e2e_full
def test_one_node_gives_the_same_bytes_as_this_machine(cluster, whole, corpus, mistral_folder, tmp_path):
    build_config = config(corpus, tmp_path / "in2", mistral_folder)
    build_config.output.mkdir()
    build_on(RayEngine(build_config.ray, build_config.output, None, print), build_config, Quiet())
    assert_same(whole, build_config.output)


class RemovesNode(Quiet):
    """Removes a node of the cluster after the second shard of a stage."""

    def __init__(self, cluster, node, name: str) -> None:
        super().__init__()
        self._cluster, self._node, self._name = cluster, node, name
        self._steps = 0
        self.removed = False

    def stage(self, name, total, detail=None):
        from contextlib import nullcontext

        def step(steps: int) -> None:
            self._steps += steps
            if name == self._name and self._steps >= 2 and not self.removed:
                self._cluster.remove_node(self._node, allow_graceful=False)
                self.removed = True

        self._steps = 0
        return nullcontext(step)


@pytest.mark.e2e_full
@pytest.mark.parametrize("stage", ["placing questions in contexts"])
def test_a_lost_node_changes_no_byte(cluster, whole, corpus, mistral_folder, tmp_path, stage):
    others = add_node(cluster), add_node(cluster)
    build_config = config(corpus, tmp_path / "in2", mistral_folder)
    build_config.output.mkdir()
    removing = RemovesNode(cluster, others[0], stage)
    try:
        build_on(RayEngine(build_config.ray, build_config.output, None, print), build_config, removing)
    finally:
        cluster.remove_node(others[1])
    assert removing.removed
    assert_same(whole, build_config.output)


class SeparateDisks(RayEngine):
    """Workers do not share the driver's folder."""

    def _read_token(self) -> str:
        return super()._read_token()[::-1]


@pytest.mark.e2e_full
def test_nodes_with_separate_disks_need_object_storage(cluster, tmp_path):
    (tmp_path / "segments").mkdir()
    (tmp_path / "segments/store.json").write_text("complete")
    files = [tmp_path / "segments/store.json"] * 2
    engine = SeparateDisks(RayConfig(), tmp_path, None, print)
    with engine, pytest.raises(ConfigError, match=r"does not exist on .*, a node of the Ray cluster"):
        list(engine.stream(read, files, files[:1]))


@pytest.mark.e2e_full
def test_nodes_with_separate_disks_give_the_same_bytes(cluster, storage, whole, corpus, mistral_folder, tmp_path):
    ray = {"storage": "s3://bucket/in2"}
    build_config = config(corpus, tmp_path / "in2", mistral_folder, ray=ray)
    build_config.output.mkdir()
    build_on(SeparateDisks(build_config.ray, build_config.output, None, print), build_config, Quiet())
    assert_same(whole, build_config.output)
    uploads = {
        request.path for request in storage.requests if request.method == "PUT" and "/bucket/in2/" in request.path
    }
    assert any("segments--ids.bin" in path for path in uploads)
    assert not any(".part" in path for path in uploads)
    uploaded = remote_path("s3://bucket/in2")
    assert not uploaded.filesystem.get_file_info(FileSelector(uploaded.path, allow_not_found=True, recursive=True))


@pytest.mark.e2e_full
def test_an_export_on_a_cluster_gives_the_same_bytes(cluster, whole, tmp_path):
    here = export_dataset(whole, Format.TOKENIZED, tmp_path / "here")
    with RayEngine(RayConfig(), whole, None, print) as engine:
        there = export_dataset(whole, Format.TOKENIZED, tmp_path / "there", engine=engine)
    assert here.shards == there.shards
    assert_same(tmp_path / "here", tmp_path / "there")
    assert not (whole / "parts").exists()


DRIVER = """
import sys
from pathlib import Path
from tests.support.builds import Quiet
from in2_plugin.pipeline.build import build_dataset
from in2_plugin.config import BuildConfig
from in2_plugin.execution.ray.engine import RayEngine
from tests.support.sharded_builds import small_shards
build_config = BuildConfig.model_validate_json(Path(sys.argv[1]).read_text())
with small_shards(), RayEngine(build_config.ray, build_config.output, None, print) as engine:
    build_dataset(build_config, Quiet(), engine=engine)
"""


@pytest.mark.e2e_full
def test_a_killed_driver_is_resumed_after_its_finished_shards(cluster, whole, corpus, mistral_folder, tmp_path):
    build_config = config(corpus, tmp_path / "in2", mistral_folder, ray={"address": cluster.address})
    build_config.output.mkdir()
    parts = build_config.output / "parts/screening"
    (tmp_path / "driver.py").write_text(DRIVER)
    (tmp_path / "config.json").write_text(build_config.model_dump_json())
    child = subprocess.Popen([sys.executable, "driver.py", "config.json"], cwd=tmp_path, env={**os.environ})
    try:
        while len(list(parts.glob("*.arrow"))) < 1:
            assert child.poll() is None, "the driver ended before it could be killed"
            time.sleep(0.005)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    segments = (build_config.output / "segments/store.json").stat().st_mtime_ns
    finished = {path.name: path.stat().st_mtime_ns for path in parts.glob("*.arrow")}
    kept: dict[str, int] = {}

    class RecordsParts(Quiet):
        def stage(self, name, total, detail=None):
            if name.startswith("comparing"):
                kept.update({path.name: path.stat().st_mtime_ns for path in parts.glob("*.arrow")})
            return super().stage(name, total, detail)

    build_on(RayEngine(build_config.ray, build_config.output, None, print), build_config, RecordsParts())
    assert kept == finished
    assert (build_config.output / "segments/store.json").stat().st_mtime_ns == segments
    assert_same(whole, build_config.output)
