"""The segment stage with a limit per source, and with text that the tokenizer cannot spell."""

import json

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import TokenizerError
from in2_plugin.pipeline.build import build_dataset
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
