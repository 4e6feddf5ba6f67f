"""Grouping prompts by what they begin with, and cutting their tokens there."""

import random

import numpy as np
import pytest

from in2_plugin.probing.backends import shared_prefixes
from in2_plugin.probing.backends.shared_prefixes import (
    PrefillCounts,
    SplitPrompts,
    group_by_prefix,
    in_batches,
    split,
    token_ids,
)
from tests.support.vocabularies import QWEN2_REGEX, byte_level, mistral

CONTEXTS = ["Below is a context. " + f"Number {n} is here. " * 30 for n in (1, 2, 3)]


def test_prompts_of_a_context_are_one_group_and_others_are_alone():
    questions = [(c, q) for q in "abc" for c in range(3)]
    texts = [CONTEXTS[c] + f"Question {q}?" for c, q in questions] + ["Something else", "Below is a contrast."]
    groups = group_by_prefix(texts)
    assert sorted(map(sorted, groups)) == [[0, 3, 6], [1, 4, 7], [2, 5, 8], [9], [10]]
    assert group_by_prefix(["same", "same", "same"]) == [[0, 1, 2]]
    assert group_by_prefix(["", ""]) == [[0], [1]] and group_by_prefix([]) == []


def test_half_a_prompt_must_be_shared():
    texts = ["a" * 10 + "b" * 10, "a" * 10 + "c" * 10, "a" * 10 + "d" * 11]
    assert group_by_prefix(texts) == [[0, 1], [2]]


def test_shared_and_own_tokens_are_the_prompt():
    prompts = [[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 7], [1, 2, 3, 9], [1, 2, 3, 4, 5, 6]]
    parts = split(iter(prompts))
    assert parts == SplitPrompts([1, 2, 3], ([4, 5, 6], [4, 7], [9], [4, 5, 6]))
    assert split([[1, 2, 3], [1, 2, 3]]) == SplitPrompts([1, 2], ([3], [3]))  # a token is left for each
    assert split([[1, 2, 3], [1, 2]]) == SplitPrompts([1], ([2, 3], [2]))
    assert split([[1, 2], [3, 4]]) == SplitPrompts([], ([1, 2], [3, 4]))
    assert split([[5]]) == SplitPrompts([], ([5],))


def test_counts_are_of_prompt_tokens():
    counts = PrefillCounts()
    counts.add(SplitPrompts([1] * 100, ([2], [3, 4])))
    assert str(counts) == "1 contexts read once, 2 questions, prefilled 103 instead of 203 tokens"


def test_batches_keep_within_the_room():
    assert in_batches([3, 3, 3, 9, 1, 1], room=6) == [range(0, 2), range(2, 3), range(3, 4), range(4, 6)]
    assert in_batches([1, 1, 4, 1], room=6) == [range(0, 2), range(2, 3), range(3, 4)]  # each has room for the largest
    assert in_batches([1, 1, 1], room=99, at_most=2) == [range(0, 2), range(2, 3)]
    assert in_batches([], room=6) == []


@pytest.fixture(params=["sentencepiece", "byte level"])
def tokenizer(request):
    return mistral() if request.param == "sentencepiece" else byte_level(CONTEXTS, QWEN2_REGEX, ["<s>"], 400)


@pytest.fixture
def texts() -> list[str]:
    """Prompts that differ inside a word, with the same question twice, and questions that share words."""
    rng = random.Random(0)
    context = " ".join("".join(rng.choices("abcdefgh", k=rng.randrange(1, 9))) for _ in range(1_500)) + "Questio"
    return [context + tail for tail in ("n one?", "n one?", "ning is", "ns: n", "\u00e9", "n two")]


def test_tokens_are_those_of_the_whole_text(tokenizer, texts):
    encoded: list[str] = []

    def encode(text):
        encoded.append(text)
        return np.array([7, *tokenizer.encode(text).ids])

    found = [ids.tolist() for ids in token_ids(texts, encode)]
    assert found == [[7, *tokenizer.encode(text).ids] for text in texts]
    assert [len(text) > 5_000 for text in encoded].count(True) == 2  # the others were encoded from near their end


def test_tokenizers_with_long_dependencies_get_whole_texts(texts):
    """One whose tokens all change with the text's length, and one whose last token counts what is before."""
    for encode in (
        lambda text: np.array([ord(c) + len(text) for c in text]),
        lambda text: np.array([*map(ord, text), len(text)]),
    ):
        found = list(token_ids(texts, encode))
        assert all(np.array_equal(ids, encode(text)) for ids, text in zip(found, texts, strict=True))


def test_short_texts_are_encoded_once(monkeypatch):
    monkeypatch.setattr(shared_prefixes, "OVERLAP", 100)
    encoded = []
    texts = ["abc", "abd", "abe"]
    list(token_ids(texts, lambda text: encoded.append(text) or np.zeros(1, np.int64)))
    assert encoded == texts
