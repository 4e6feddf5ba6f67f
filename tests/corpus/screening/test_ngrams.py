import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.corpus.screening.ngrams import ngram_hashes, whole_hash, word_hashes, words, words_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It's a Test, isn't it?", ["it", "s", "a", "test", "isn", "t", "it"]),
        ("snake_case(x, y=1)", ["snake", "case", "x", "y", "1"]),
        ("Naïve CAFÉ — №5", ["naïve", "café", "no5"]),
        ("ﬁne print", ["fine", "print"]),  # a ligature
        ("Straße", ["strasse"]),
        ("中文和English混用", ["中", "文", "和", "english", "混", "用"]),
        ("テスト。", ["テ", "ス", "ト"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("ｆｕｌｌ　ｗｉｄｔｈ", ["full", "width"]),
        ("a\x1eb", ["a", "b"]),
        ("\ud800 x", ["x"]),
        (" ... ", []),
    ],
)
def test_texts_are_normalized_to_words(text, expected):
    assert words(text) == expected


@given(st.lists(st.text(max_size=40), max_size=6))
def test_a_batch_of_texts_gives_the_words_of_each(texts):
    assert words_of(texts or [""]) == [words(text) for text in texts or [""]]


@given(st.text())
def test_splitting_into_words_is_idempotent(text):
    once = words(text)
    assert [word for one in once for word in words(one)] == once


def test_ngram_hashes_are_equal_exactly_where_the_words_are():
    found = word_hashes(["a", "b", "c", "d", "a", "b", "c", "e"])
    grams = ngram_hashes(found, 3)
    assert len(grams) == 6
    assert grams[0] == grams[4] and len(set(grams.tolist())) == 5
    assert len(ngram_hashes(found, 9)) == 0
    assert ngram_hashes(word_hashes(["c", "b", "a"]), 3)[0] != grams[0]  # order matters


def test_hashes_are_the_same_in_every_process():
    code = "from in2_plugin.corpus.screening.ngrams import *\n"
    code += "print(ngram_hashes(word_hashes(words('one two three')), 2).tolist())"
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1] == f"{ngram_hashes(word_hashes(['one', 'two', 'three']), 2).tolist()}\n"


def test_whole_hashes_depend_on_word_order():
    one, other = (whole_hash(word_hashes(text.split())) for text in ("a b", "b a"))
    assert one != other and whole_hash(np.zeros(0, np.uint64)) == 0
