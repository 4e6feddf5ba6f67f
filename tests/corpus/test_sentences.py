import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from in2_plugin.corpus.sentences import MAX_CLUSTER, is_character_boundary, sentence_spans, spans_between, stripped


def sentences(text: str) -> list[str]:
    return [text[start:stop] for start, stop in sentence_spans(text)]


# Paragraphs written for these tests.
CHINESE = (
    "清晨的市场很热闹。卖豆腐的老人六点就来了！你知道他今年多大年纪吗？"
    "七十九岁。他笑着说：“身体好着呢。”旁边的人都点头。"
)
MIXED = "我们用Python 3.11写了这个程序。It took Mr. Li two days. 结果怎么样？“Really?”他问。测试全部通过了！"


def test_chinese_is_split_without_spaces() -> None:
    assert sentences(CHINESE) == [
        "清晨的市场很热闹。",
        "卖豆腐的老人六点就来了！",
        "你知道他今年多大年纪吗？",
        "七十九岁。",
        "他笑着说：“身体好着呢。”",
        "旁边的人都点头。",
    ]


def test_chinese_mixed_with_english_is_split() -> None:
    assert sentences(MIXED) == [
        "我们用Python 3.11写了这个程序。",
        "It took Mr. Li two days.",
        "结果怎么样？",
        "“Really?”",
        "他问。",
        "测试全部通过了！",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Smith left at 5 p.m. on Monday. He was late.", ["Dr. Smith left at 5 p.m. on Monday.", "He was late."]),
        ("(She left.) Then it rained.", ["(She left.)", "Then it rained."]),
        ("He waited… and then he went.", ["He waited… and then he went."]),
        ("「行きますか？」「はい。」それだけだった。", ["「行きますか？」", "「はい。」", "それだけだった。"]),
        ("（他没来。）我们走吧……好。", ["（他没来。）", "我们走吧……", "好。"]),
        ("真的吗？！我不信。", ["真的吗？！", "我不信。"]),
        ("円周率は３．１４だ．次へ．", ["円周率は３．１４だ．", "次へ．"]),
        ("你好!我很好.他走了?再见", ["你好!", "我很好.", "他走了?", "再见"]),
        ('他说:"好。"然后走了。"再见。"她说。', ['他说:"好。"', "然后走了。", '"再见。"', "她说。"]),
        ('他走了。"再见。"', ["他走了。", '"再见。"']),
        ("ﾊﾝｶｸ｡ﾃｽﾄ｡", ["ﾊﾝｶｸ｡", "ﾃｽﾄ｡"]),
        ("هل أنت بخير؟ نعم.", ["هل أنت بخير؟", "نعم."]),
        ("وہ گھر گیا۔پھر سو گیا۔", ["وہ گھر گیا۔", "پھر سو گیا۔"]),
        ("वह घर गया। फिर सो गया॥", ["वह घर गया।", "फिर सो गया॥"]),
        ("no end at all", ["no end at all"]),
        ("  padded.  Next.\n", ["padded.", "Next."]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_sentences_end_as_expected(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


PIECES = st.sampled_from(
    [
        "a",
        "The dog ran.",
        " ",
        "\n",
        "。",
        "！？",
        "…",
        "”",
        "「",
        "」",
        '"',
        "中文",
        "e\u0301",
        "\u0301",
        "👩\u200d🔬",
        "👍🏽",
        ".",
        "!",
        "?",
        "３．１",
        "؟",
        "।",
        "🇩🇪",
        "\u3000",
        "\x85",
        "\u200d",
        "Mr. ",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=60))
def test_spans_cover_everything_but_whitespace_in_order(text: str) -> None:
    spans = sentence_spans(text)
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    assert edges == sorted(edges)
    assert all(text[start:stop] and text[start:stop] == text[start:stop].strip() for start, stop in spans)
    gaps = zip(edges[::2], edges[1::2], strict=True)
    assert all(not text[left:right].strip() for left, right in gaps)
    assert all(is_character_boundary(text, start) and is_character_boundary(text, stop) for start, stop in spans)


@pytest.mark.parametrize(
    "cluster",
    [
        "e\u0301",
        "👩\u200d👩\u200d👧",
        "👍🏽",
        "❤\ufe0f",
        "🇩🇪",
        "\u1100\u1161\u11a8",
        "क\u093f",
        "🏴\U000e0067\U000e0062\U000e007f",
    ],
)
def test_there_is_no_boundary_inside_a_grapheme(cluster: str) -> None:
    text = "x" + cluster + "y"
    inside = range(2, 1 + len(cluster))
    assert inside
    assert not any(is_character_boundary(text, at) for at in inside)
    assert is_character_boundary(text, 1)
    assert is_character_boundary(text, 1 + len(cluster))


def test_flags_are_split_between_pairs() -> None:
    assert [at for at in range(9) if is_character_boundary("🇩🇪🇫🇷🇮🇹🇪🇸", at)] == [0, 2, 4, 6, 8]


def test_an_overlong_cluster_may_be_split() -> None:
    text = "e" + "\u0301" * 100
    cuts = [at for at in range(1, len(text)) if is_character_boundary(text, at)]
    assert cuts[0] == MAX_CLUSTER


def test_spans_between_ignores_cuts_inside_graphemes_and_drops_blank_parts() -> None:
    assert spans_between("ae\u0301  b", [2, 3, 4, 99]) == [(0, 3), (5, 6)]
    assert stripped(" a ", 0, 3) == (1, 2)
    assert stripped("    ", 1, 3)[0] == stripped("    ", 1, 3)[1]


@pytest.mark.parametrize("unit", ["!", "?", ".", "…", "。", "”", "。”", '。"', "a!”", "\u0301", "🇩🇪", "? "])
def test_time_is_linear_in_the_length(unit: str) -> None:
    text = (unit * 200_000)[:200_000]
    sentence_spans(text[:1_000])  # loads the model
    began = time.process_time()
    sentence_spans(text)
    # quadratic time would be 40 s for the first unit, linear time is below 1 s
    assert time.process_time() - began < 20
