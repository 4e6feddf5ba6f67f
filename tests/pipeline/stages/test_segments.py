"""The segment stage with a limit per source, and with text that the tokenizer cannot spell."""

import json

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from in2_plugin.corpus.sources.bad_rows import TOLERATED
from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import CorpusError, TokenizerError
from in2_plugin.execution.local import LocalEngine
from in2_plugin.pipeline.array_job import WHOLE_BUILD
from in2_plugin.pipeline.build import build_dataset
from in2_plugin.pipeline.run import Run
from in2_plugin.pipeline.stages import segments
from in2_plugin.pipeline.stages.segments import segment_stage
from tests.support import vocabularies
from tests.support.builds import Quiet, small_config
from tests.support.sharded_builds import SMALLER, assert_same, small_shards


def test_a_corpus_that_the_tokenizer_cannot_spell_is_refused_before_any_question(tmp_path):
    tokenizer = Tokenizer(models.BPE({"<unk>": 0, "</s>": 1, "▁": 2, "a": 3, "b": 4}, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    model = vocabularies.save(tokenizer, tmp_path / "model", None, unk_token="<unk>", eos_token="</s>")
    corpus = tmp_path / "corpus.txt"
    asked = small_config(tmp_path / "in2", model, corpus={"sources": [str(corpus)]}, template="film", **SMALLER)
    corpus.write_text("a bb ab. " * 200 + "é " * 40)
    for _ in range(2):  # a finished store is compared, too
        with pytest.raises(TokenizerError, match=r"model: \d+\.\d% of the tokens of the corpus are unknown to it"):
            build_dataset(asked, Quiet())
    assert not (tmp_path / "in2/questions.parquet").exists()


def _rows(path, good: int, bad: int) -> str:
    """Write bad rows, then good ones."""
    rows = [{"text": 7}] * bad + [{"text": f"The gate number {i} opens at night."} for i in range(good)]
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def _cut_rows(tmp_path, model, **source) -> Quiet:
    asked = small_config(tmp_path / "in2", model, corpus={"sources": [{"path": str(tmp_path / "rows"), **source}]})
    run = Run(asked, Quiet(), LocalEngine(1), WHOLE_BUILD)
    with small_shards():
        segment_stage(run, load_tokenizer(asked.tokenizer))
    return run.progress


def test_bad_rows_are_a_share_of_their_source_and_not_of_a_file(mistral_folder, tmp_path):
    _rows(tmp_path / "rows/a.jsonl", 1_600, 0)
    second = _rows(tmp_path / "rows/b.jsonl", 400, TOLERATED + 1)
    skipped = f"{tmp_path}/rows: skipped 11 rows that cannot be used; the first is {second}:1: `text` holds int"
    assert f"{skipped}, not text" in _cut_rows(tmp_path, mistral_folder).lines


def test_finished_shards_are_kept_when_more_bad_rows_are_accepted(mistral_folder, tmp_path, monkeypatch):
    _rows(tmp_path / "rows/a.jsonl", 1_600, 0)
    second = _rows(tmp_path / "rows/b.jsonl", 400, TOLERATED + 1)
    monkeypatch.setattr("in2_plugin.corpus.cutting.CHUNK_CHARACTERS", 10_000)  # else the first chunk is the corpus
    monkeypatch.setattr(segments, "remove_shards", lambda *_: None)
    with pytest.raises(CorpusError, match=f"{second}:1: .*; 11 of 2,011 rows read from .* cannot be used"):
        _cut_rows(tmp_path, mistral_folder, max_bad_rows=0.001)
    shards = sorted((tmp_path / "in2/parts").glob("segments-*/*.arrow"))
    written = [shard.stat().st_mtime_ns for shard in shards]
    _cut_rows(tmp_path, mistral_folder, max_bad_rows=0.01)
    assert len(shards) > 1 and [shard.stat().st_mtime_ns for shard in shards] == written


def test_a_wrong_field_of_any_source_is_found_before_files_are_cut(mistral_folder, tmp_path):
    good, other = _rows(tmp_path / "a.jsonl", 9, 0), _rows(tmp_path / "b.jsonl", 2_000, 0)
    sources = [good, {"path": other, "text_field": "body"}]
    asked = small_config(tmp_path / "in2", mistral_folder, corpus={"sources": sources})
    with pytest.raises(CorpusError, match=r"b.jsonl:1: has no field `body` .*; 1,000 of 1,000 rows read from"):
        segment_stage(Run(asked, Quiet(), LocalEngine(1), WHOLE_BUILD), load_tokenizer(asked.tokenizer))
    assert not (tmp_path / "in2").exists()


WITH_TEXT = {"fine_grained": 8, "integration": 0, "short_context": 0, "records": 8}
RECORDS_ALONE = {**WITH_TEXT, "fine_grained": 0}


@pytest.mark.parametrize(("first", "second"), [(RECORDS_ALONE, WITH_TEXT), (WITH_TEXT, RECORDS_ALONE)])
def test_a_store_is_replaced_when_the_mixture_starts_or_stops_reading_the_corpus(
    mistral_folder, tmp_path, first, second
):
    corpus = {"sources": [_rows(tmp_path / "rows/a.jsonl", 50, 0)]}
    for mixture in (first, second):
        asked = small_config(tmp_path / "in2", mistral_folder, corpus=corpus, mixture=mixture)
        store = segment_stage(Run(asked, Quiet(), LocalEngine(1), WHOLE_BUILD), load_tokenizer(asked.tokenizer))
        assert bool(store.corpus_segments) == (mixture is WITH_TEXT)
        assert len(store.record_segments) == 128


@pytest.mark.slow
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
