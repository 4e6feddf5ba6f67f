"""Segments that answer a question are banned, and the estimate of the others counts each of them."""

from dataclasses import replace

import pytest

from in2_plugin.examples.bans import Bans, Fillers
from in2_plugin.examples.fillers import FillerPool
from tests.support.synthetic_corpus import byte_tokenizer, synthetic_questions, synthetic_store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return synthetic_store(tmp_path_factory.mktemp("store"), byte_tokenizer())


@pytest.fixture(scope="module")
def pool(store):
    return FillerPool.of(store.usable, store.n_tokens, store.document, store.corpus_segments)


def test_segments_with_a_quotation_or_the_answer_are_banned(store):
    (asked,) = synthetic_questions(store, 1)
    word = store.text(9).split()[1]
    assert Bans(store, answers=True).of([asked])(0), "the gold itself"
    assert not Bans(store, answers=True).of([asked])(9)
    assert Bans(store, answers=True).of([replace(asked, answer=f"{word.upper()}.")])(9)
    assert not Bans(store, answers=False).of([replace(asked, answer=word)])(9)
    assert Bans(store, answers=False).of([replace(asked, exclusive=(word[1:],))])(9)
    assert Bans(store, answers=True).of([asked], frozenset({9}))(9)


@pytest.mark.parametrize("repeated", [{}, {9: 0, 11: 4}], ids=["no repeats", "repeats in use"])
def test_free_tokens_are_those_of_segments_that_are_not_banned(store, pool, monkeypatch, repeated):
    monkeypatch.setattr(store, "repeats_in_use", repeated)
    fillers, bans = Fillers(pool, Bans(store, answers=True)), Bans(store, answers=True)
    common = store.text(9).split()[1]
    for asked in synthetic_questions(store, 10):
        for changed in (asked, replace(asked, answer=common), replace(asked, exclusive=("ba",))):
            ban = bans.of([changed])
            beside = zip(pool.ids.tolist(), pool.n_tokens.tolist(), pool.document.tolist(), strict=True)
            free = sum(n for i, n, document in beside if document != changed.document and not ban(i))
            assert fillers.free_tokens(changed) == free - 2 * pool.common_lengths[1]
