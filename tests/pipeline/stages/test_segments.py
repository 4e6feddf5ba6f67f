"""The segment stage with a limit per source."""

import json

import pytest

from in2_plugin.dataset.tables import read_rows
from in2_plugin.pipeline.build import build_dataset
from tests.support.builds import Quiet, small_config
from tests.support.sharded_builds import SMALLER, assert_same, small_shards

pytestmark = pytest.mark.slow


def test_a_limit_is_met_document_by_document_whatever_the_shards(corpus, mistral_folder, tmp_path):
    sources = [{"path": str(corpus / "a.jsonl"), "limit": 37}, {"path": str(corpus / "b.jsonl"), "limit": 20}]
    for name in ("one", "many"):
        asked = small_config(tmp_path / name, mistral_folder, corpus={"sources": sources}, **SMALLER)
        if name == "one":
            build_dataset(asked, Quiet())
        else:
            with small_shards():
                build_dataset(asked, Quiet())
    assert_same(tmp_path / "one", tmp_path / "many")
    manifest = json.loads((tmp_path / "many/manifest.json").read_text())
    assert manifest["counts"]["documents"] == 57
    assert sum(1 for _ in read_rows(tmp_path / "many/examples.parquet")) == 25
