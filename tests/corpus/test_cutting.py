"""A chunk gives the same segments and ids in any process, whatever chunks that process cut before."""

import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from in2_plugin.corpus import cutting, splicing, token_counts
from in2_plugin.corpus.cutting import Cut, Cutter, chunks, counts_by_words
from in2_plugin.corpus.segmentation import segment
from in2_plugin.corpus.sources.documents import Document
from in2_plugin.corpus.splicing import anchored_ids
from in2_plugin.corpus.store import SegmentStatus
from in2_plugin.corpus.tokenizer import TextTokenizer

LINES = st.sampled_from(
    [
        "The northern harbour was founded by fishermen.", "It closed.  Twice.", "语言模型常常忽略长文本。", "",
        "\t- a\tb", "an </s> inside", "word " * 80, "It's 3.14 -- naïve, ﬁne; isn't it?", "中文 and English",
        "x" * 90, "\u00a0odd\u2003space",
    ]
)  # fmt: skip
TEXTS = st.lists(LINES, min_size=1, max_size=12).map("\n".join).filter(str.strip)


def documents_of(texts):
    return [Document("s", str(i), text) for i, text in enumerate(texts)]


def contents(cut: Cut):
    arrays = (cut.n_segments, cut.spans, cut.ids, cut.n_tokens, cut.standings)
    return cut.texts, [(array.tobytes(), array.dtype) for array in arrays]


@pytest.mark.parametrize("name", ["mistral", "qwen"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_chunks=st.lists(st.lists(TEXTS, min_size=1, max_size=4), min_size=1, max_size=6))
def test_earlier_chunks_do_not_affect_the_result(name, given_chunks, request, monkeypatch):
    # tiny caches, so that entries are evicted all the time
    monkeypatch.setattr(token_counts, "REMEMBERED", 8)
    monkeypatch.setattr(splicing, "REMEMBERED", 4)
    tokenizer = request.getfixturevalue(name)
    used, fresh = Cutter(tokenizer, 24, False, True), Cutter(tokenizer, 24, False, True)
    whole = given_chunks
    forward = [contents(used(chunk)) for chunk in whole]
    assert [contents(used(chunk)) for chunk in reversed(whole)] == forward[::-1]
    assert [contents(pickle.loads(pickle.dumps(fresh))(chunk)) for chunk in whole] == forward


@pytest.mark.parametrize("name", ["mistral", "qwen"])
@settings(max_examples=40, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=5))
@example(texts=["\n".join(["an </s> inside"] * 20)])  # has one more token than its words counted separately
def test_segments_and_ids_equal_those_without_caches(name, texts, request):
    tokenizer = request.getfixturevalue(name)
    cut = Cutter(tokenizer, 24, False, True)(texts)
    spans = [segment(text, tokenizer.count, 24, False) for text in texts]
    assert cut.n_segments.tolist() == [len(found) for found in spans]
    assert cut.spans.tolist() == [[span.start, span.stop] for found in spans for span in found]
    assert cut.texts == [text[s.start : s.stop] for text, found in zip(texts, spans, strict=True) for s in found]
    ids = anchored_ids(tokenizer, cut.texts)
    assert cut.n_tokens.tolist() == [len(one) for one in ids]
    assert cut.ids.tolist() == [token for one in ids for token in one]
    spelt = [SegmentStatus(value) is SegmentStatus.SPELLS_SPECIAL_TOKEN for value in cut.standings.tolist()]
    assert spelt == [tokenizer.has_special_token(text) for text in cut.texts]


def test_no_documents_give_no_segments(mistral):
    cut = Cutter(mistral, 24, False, True)([])
    assert (len(cut.texts), len(cut.ids), cut.spans.shape) == (0, 0, (0, 2))


def test_chunks_are_whole_documents_in_order(monkeypatch):
    monkeypatch.setattr(cutting, "CHUNK_CHARACTERS", 10)
    given_documents = documents_of(["abcd", "efgh", "ijkl", "m" * 30, "n", "o"])
    found = list(chunks(given_documents))
    assert [len(chunk) for chunk in found] == [3, 1, 2]
    assert [document for chunk in found for document in chunk] == given_documents
    assert list(chunks([])) == []


def test_paper_exact_counts_every_line_with_the_tokenizer(mistral, documents):
    cutter = Cutter(mistral, 128, paper_exact=True, by_words=True)
    assert cutter._count == mistral.count
    exact = [segment(d.text, mistral.count, 128, True) for d in documents[:20]]
    assert cutter([d.text for d in documents[:20]]).spans.tolist() == [
        [span.start, span.stop] for found in exact for span in found
    ]


def test_word_counts_are_used_only_if_the_tokenizer_is_additive(mistral, documents):
    assert counts_by_words(mistral, documents[:20])
    merging = Tokenizer(models.BPE())
    merging.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    texts = [document.text for document in documents[:20]]
    merging.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=2_000, show_progress=False))
    assert not counts_by_words(TextTokenizer("merging", merging, "", ""), documents[:20])


def test_a_pickled_cutter_does_not_need_transformers(mistral):
    sent = pickle.dumps(Cutter(mistral, 128, False, True))
    assert b"transformers" not in sent and b"ModelTokenizer" not in sent
    again = pickle.loads(sent)
    assert type(again._tokenizer).__name__ == "TextTokenizer"
    assert np.array_equal(again(["one line"]).ids, mistral.ids(["x\none line\n"])[0][2:])
