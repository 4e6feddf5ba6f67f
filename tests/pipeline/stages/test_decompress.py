"""Large compressed files are decompressed once and keep their keys."""

import gzip
from pathlib import Path

import pytest

from in2_plugin.corpus.store import SegmentStore
from in2_plugin.pipeline.build import build_dataset
from tests.support.builds import Quiet, small_config
from tests.support.sharded_builds import SMALLER, small_shards

pytestmark = pytest.mark.slow


def test_large_compressed_files_are_unpacked_and_keep_their_keys(corpus, mistral_folder, tmp_path, monkeypatch):
    """Built where the plain files and then the compressed ones have the same relative names."""
    monkeypatch.setattr("in2_plugin.pipeline.stages.decompress.UNPACK_BYTES", 1)
    asked = {"corpus": {"sources": ["text"]}, **SMALLER}
    for name, compress in {"plain": lambda data: data, "packed": gzip.compress}.items():
        ending = ".gz" if name == "packed" else ""
        (tmp_path / name / "text").mkdir(parents=True)
        for path in corpus.iterdir():
            (tmp_path / name / "text" / f"{path.name}{ending}").write_bytes(compress(path.read_bytes()))
        monkeypatch.chdir(tmp_path / name)
        with small_shards():
            build_dataset(small_config(Path("in2"), mistral_folder, **asked), Quiet())
    plain, packed = (SegmentStore(tmp_path / name / "in2/segments") for name in ("plain", "packed"))
    keys = [key.replace(".jsonl.gz:", ".jsonl:") for key in packed.documents["key"].to_pylist()]
    assert keys == plain.documents["key"].to_pylist()
    assert packed.table.equals(plain.table)
    assert not (tmp_path / "packed/in2/parts").exists()
