"""Counts per word equal the tokenizer's own counts, or are not used."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from in2_plugin.corpus.token_counts import REMEMBERED, WordCounts, is_additive


@pytest.fixture(scope="module", params=["mistral", "qwen"])
def tokenizer(request):
    return request.getfixturevalue(request.param)


def test_lines_of_the_corpus_are_counted_exactly(tokenizer, documents):
    lines = [line.strip() for document in documents[:60] for line in document.text.split("\n") if line.strip()]
    counts = WordCounts(tokenizer)
    assert counts.of(lines) == tokenizer.count(lines)
    assert counts.of(lines) == tokenizer.count(lines)  # cached
    assert is_additive(tokenizer, lines)


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from("ab cé中，.1\t\n'")), max_size=5))
def test_unusual_white_space_and_punctuation_are_counted_exactly(mistral, qwen, lines):
    for tokenizer in (mistral, qwen):
        assert WordCounts(tokenizer).of(lines) == tokenizer.count(lines)


def test_a_line_with_an_added_token_is_counted_by_the_tokenizer(mistral, qwen):
    """Mistral's tokenizer starts a new text after an added token, so the rest of the line counts one more."""
    lines = ["an </s> inside", "an</s> inside", "</s> first", "plain inside", "the <|im_end|> of it", "of <|im_end|>it"]
    assert mistral.count(["a </s> b"])[0] > mistral.count(["a b"])[0] + 1
    for tokenizer in (mistral, qwen):
        counts = WordCounts(tokenizer)
        assert counts.of(lines) == tokenizer.count(lines) == counts.of(lines)


def test_a_tokenizer_that_merges_across_spaces_is_not_additive(documents):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    from in2_plugin.corpus.tokenizer import TextTokenizer

    glue = Tokenizer(models.BPE())
    glue.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    lines = [line for document in documents[:40] for line in document.text.split("\n") if line]
    glue.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=3_000, show_progress=False))
    assert not is_additive(TextTokenizer("glue", glue, "", ""), lines[:200])


def test_the_word_cache_is_bounded(mistral):
    counts = WordCounts(mistral)
    for i in range(0, REMEMBERED + 40_000, 20_000):
        counts.of([f"w{n}" for n in range(i, i + 20_000)])
    assert len(counts._first) <= REMEMBERED + 20_000
    assert counts.of(["w5 w7"]) == mistral.count(["w5 w7"])
