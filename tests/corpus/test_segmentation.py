import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from in2_plugin.corpus.segmentation import SegmentSpan, segment
from in2_plugin.corpus.sentences import is_character_boundary
from tests.support.vocabularies import mistral


def words(texts: list[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def characters(texts: list[str]) -> list[int]:
    return [len(text) for text in texts]


def utf8(texts: list[str]) -> list[int]:
    """Return the maximum number of tokens of a byte-level or byte-fallback tokenizer."""
    return [len(text.encode()) for text in texts]


def texts_of(text: str, spans: list[SegmentSpan]) -> list[str]:
    return [text[span.start : span.stop] for span in spans]


def cut(text: str, n: int, *, exact: bool = False) -> list[str]:
    return texts_of(text, segment(text, words, n, exact))


@pytest.mark.parametrize("exact", [True, False])
def test_short_lines_are_joined_as_in_algorithm_1(exact: bool) -> None:
    text = "a b\nc d\ne f g\nh\ni j k l\nm"
    # 2+2 >= 4; 3+1 >= 4; 4 >= 4; "m" is left over and joins the last
    assert cut(text, 4, exact=exact) == ["a b\nc d", "e f g\nh", "i j k l\nm"]


def test_the_count_of_a_segment_is_the_sum_over_its_lines() -> None:
    spans = segment("a b\n\n c d\ne", words, 4, True)
    assert spans == [SegmentSpan(0, 11, 5)]


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("text", ["one two", "  one two \n", "\n\none\n \ntwo\n"])
def test_a_short_text_is_one_segment(text: str, exact: bool) -> None:
    assert cut(text, 100, exact=exact) == [text.strip()]


@pytest.mark.parametrize("text", ["", " ", "\n\n", " \n\t\n\u3000"])
def test_whitespace_gives_no_segments(text: str) -> None:
    assert cut(text, 4) == []
    assert cut(text, 4, exact=True) == []


def test_inner_newlines_and_indents_are_preserved() -> None:
    assert cut("a b\n\n\n  c d\n e f g h \n", 4, exact=True) == ["a b\n\n\n  c d", "e f g h"]


LONG_LINE = "The first sentence has six words. The second one has six too. A third. And here is the fourth one."


def test_paper_exact_never_splits_a_line() -> None:
    assert cut(f"{LONG_LINE}\na b c d", 4, exact=True) == [LONG_LINE, "a b c d"]


def test_a_long_line_is_split_at_sentence_ends() -> None:
    assert cut(LONG_LINE, 6) == [
        "The first sentence has six words.",
        "The second one has six too.",
        "A third. And here is the fourth one.",
    ]


def test_a_line_at_the_limit_is_not_split() -> None:
    line = "One two. Three four."
    assert cut(line, 4) == [line]


def test_a_long_sentence_is_split_at_clauses() -> None:
    text = "one two three four, five six seven eight; nine ten eleven twelve, and the very last part of all"
    assert cut(text, 4) == [
        "one two three four,",
        "five six seven eight;",
        "nine ten eleven twelve,",
        "and the very last part of all",
    ]


def test_a_long_clause_is_split_between_words() -> None:
    assert cut("a b c d e f g h i j k", 3) == ["a b c", "d e f", "g h i j k"]


def test_a_long_word_is_split_between_characters() -> None:
    text = "x" * 100
    spans = segment(text, characters, 10, False)
    assert texts_of(text, spans) == ["x" * 10] * 10


def test_unpunctuated_chinese_is_split() -> None:
    text = "山高水长风清月白" * 40
    spans = segment(text, utf8, 64, False)
    assert "".join(texts_of(text, spans)) == text
    assert all(64 <= span.n_tokens < 256 for span in spans)


def test_a_chinese_paragraph_is_split_at_its_sentences() -> None:
    text = "清晨的市场很热闹。卖豆腐的老人六点就来了！他今年多大年纪？七十九岁。"
    assert texts_of(text, segment(text, characters, 9, False)) == [
        "清晨的市场很热闹。",
        "卖豆腐的老人六点就来了！",
        "他今年多大年纪？七十九岁。",
    ]


FAMILY = "👩\u200d👩\u200d👧\u200d👦"


@pytest.mark.parametrize("unit", [FAMILY, "e\u0301\u0323", "👍🏽", "🇩🇪", "\u1100\u1161\u11a8"])
def test_graphemes_are_never_split(unit: str) -> None:
    text = unit * 50
    for one in texts_of(text, segment(text, utf8, 7, False)):
        assert len(one) % len(unit) == 0


PIECES = st.sampled_from(
    [
        "word",
        " ",
        " ",
        "\n",
        "\n\n",
        ". ",
        ", ",
        "。",
        "，",
        "！",
        "”",
        "中文字",
        "e\u0301",
        FAMILY,
        "🇩🇪",
        "\u3000",
        "x" * 50,
        "A sentence with some words. ",
        "\u0301" * 40,
        "a!" * 30,
        "\u200d",
        "\t",
    ]
)
TEXTS = st.lists(PIECES, max_size=120).map("".join)


def check_invariants(text: str, spans: list[SegmentSpan]) -> None:
    edges = [0, *(edge for span in spans for edge in (span.start, span.stop)), len(text)]
    assert edges == sorted(edges)
    assert all(one and one == one.strip() for one in texts_of(text, spans))
    assert not any(text[a:b].strip() for a, b in zip(edges[::2], edges[1::2], strict=True))
    assert all(is_character_boundary(text, span.start) for span in spans)


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.integers(64, 100), st.sampled_from([words, characters, utf8]))
def test_no_segment_reaches_four_times_the_length(text: str, n: int, count: object) -> None:
    spans = segment(text, count, n, False)  # type: ignore[arg-type]
    check_invariants(text, spans)
    assert all(span.n_tokens <= 4 * n - 2 for span in spans)
    assert len(spans) < 2 or all(span.n_tokens >= n for span in spans)


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.integers(1, 30))
def test_segmentation_terminates_and_keeps_the_text_for_any_length(text: str, n: int) -> None:
    check_invariants(text, segment(text, utf8, n, False))


def by_the_book(text: str, n: int) -> list[str]:
    """Return the segments of Algorithm 1, written with lists and joins as in the paper."""
    emitted: list[str] = []
    buffer: list[str] = []
    for piece in filter(None, map(str.strip, text.split("\n"))):
        buffer.append(piece)
        if sum(words(buffer)) >= n:
            emitted.append("\n".join(buffer))
            buffer = []
    if buffer:
        emitted.append("\n".join([*emitted[-1:], *buffer]))
        del emitted[-2:-1]
    return emitted


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["a", "b c", "d e f g", "h " * 20]), max_size=40), st.integers(1, 25))
def test_paper_exact_equals_algorithm_1(lines: list[str], n: int) -> None:
    text = "\n".join(line.strip() for line in lines)
    assert cut(text, n, exact=True) == by_the_book(text, n)


def test_texts_are_counted_in_batches() -> None:
    calls: list[int] = []

    def count(texts: list[str]) -> list[int]:
        calls.append(len(texts))
        return words(texts)

    text = "\n".join("A short line." for _ in range(1_000))
    segment(text, count, 128, False)
    assert calls == [1_000]
    calls.clear()
    segment("word " * 5_000 + "x" * 9, count, 128, False)
    assert len(calls) <= 4


@pytest.mark.parametrize(
    "unit",
    ["!", "a", "a b, ", "Some words here. ", "line\n", "中", "中，", "。", "\u0301", "👩\u200d", "🇩🇪", "\u3000", "\n"],
)
def test_a_megabyte_is_segmented_in_seconds(unit: str) -> None:
    text = (unit * 1_000_000)[:1_000_000]
    began = time.process_time()
    segment(text, characters, 128, False)
    # at most five seconds on two busy cores; quadratic time would be many minutes
    assert time.process_time() - began < 30


def test_the_invariants_hold_for_random_prose_with_a_real_tokenizer() -> None:
    rng = random.Random(5)
    vocabulary = ["river", "mountain", "the", "of", "crosses", "Mr. Lee", "3.5", "naïve", "中国", "said"]
    lines = [
        " ".join(rng.choice(vocabulary) + rng.choice(["", "", "", ".", ",", "。"]) for _ in range(rng.randrange(400)))
        for _ in range(60)
    ]
    text = "\n".join(lines)
    tokenizer = mistral()

    def count(texts: list[str]) -> list[int]:
        return [len(one.ids) for one in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    spans = segment(text, count, 128, False)
    check_invariants(text, spans)
    assert len(spans) > 20
    assert all(128 <= span.n_tokens < 512 for span in spans)
    # a whole segment differs from the sum of its parts by little more than separators
    assert all(110 <= n < 512 for n in count(texts_of(text, spans)))
