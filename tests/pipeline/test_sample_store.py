"""A sample of the corpus, or the store of the build when it exists."""

import shutil

from in2_plugin import layout
from in2_plugin.pipeline.sample_store import sample_store
from tests.support.builds import small_config


def test_the_beginning_of_the_corpus_until_the_block_ends(mistral, tmp_path):
    config = small_config(tmp_path / "in2", tmp_path)
    with sample_store(config.output, config.corpus, config.seed, mistral, documents=5) as store:
        assert store.facts.documents == 5
        folder = store.folder
    assert not folder.exists()
    assert not config.output.exists()


def test_records_are_added_and_replace_a_store_without_any(finished, mistral):
    with sample_store(finished.output, finished.corpus, finished.seed, mistral, documents=5, registers=4) as store:
        assert store.folder != finished.output / layout.SEGMENTS
        assert (store.facts.documents, len(store.record_segments)) == (9, 8)
    with sample_store(finished.output, finished.corpus, finished.seed, mistral, documents=0, registers=4) as store:
        assert store.corpus_segments == range(0)


def test_text_replaces_a_store_of_records_alone(mistral, tmp_path):
    config = small_config(tmp_path / "in2", tmp_path)
    with sample_store(config.output, config.corpus, config.seed, mistral, documents=0, registers=4) as store:
        shutil.copytree(store.folder, config.output / layout.SEGMENTS)
    for documents in (5, 0):
        with sample_store(config.output, config.corpus, config.seed, mistral, documents, registers=4) as store:
            assert (store.facts.documents, len(store.record_segments)) == (documents + 4, 8)
            assert (store.folder == config.output / layout.SEGMENTS) == (not documents)


def test_the_store_of_the_build_when_it_exists(finished, mistral):
    with sample_store(finished.output, finished.corpus, finished.seed, mistral, documents=5) as store:
        assert store.folder == finished.output / layout.SEGMENTS
        assert store.facts.documents > 5
    assert store.folder.exists()
