"""Shards of written answers: read in order, resumed, and refused for another model, other examples or settings."""

from dataclasses import replace

import pytest

from in2_plugin import layout
from in2_plugin.errors import ConfigError
from in2_plugin.teaching.rows import ExamplesIdentity
from in2_plugin.teaching.writing.decoding import AnswerDecoding
from in2_plugin.teaching.writing.store import WritingFacts, WritingReport, WrittenAnswers
from in2_plugin.teaching.writing.verification import AnswerOutcome, CheckedAnswer

FACTS = WritingFacts("m", "w", "float32", ExamplesIdentity("e", "t", "c"), AnswerDecoding(), shard_examples=2)
ONE = CheckedAnswer("a fox", AnswerOutcome.VERIFIED, 3)
OTHER = CheckedAnswer("a dog", AnswerOutcome.UNVERIFIED, 4)


def test_answers_are_read_by_example_and_turn(tmp_path):
    answers = WrittenAnswers.claim(tmp_path, FACTS, 3)
    assert [answers.examples(shard) for shard in answers.missing()] == [range(2), range(2, 3)]
    answers.write(0, [(0, 0, ONE), (0, 1, OTHER)])
    assert list(answers.missing()) == [1]
    answers.write(1, [(2, 0, OTHER)])
    assert list(answers) == [{0: ONE, 1: OTHER}, {}, {0: OTHER}]


def test_the_first_run_decides_the_size_of_shards_and_a_model_may_have_moved(tmp_path):
    WrittenAnswers.claim(tmp_path, FACTS, 3)
    again = WrittenAnswers.claim(tmp_path, replace(FACTS, model="elsewhere", shard_examples=64), 3)
    assert again.facts.shard_examples == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": "x"}, "weights of SHA-256 w, not x; choose another --output"),
        ({"dtype": "bfloat16"}, "the dtype float32, not bfloat16"),
        (
            {"source": ExamplesIdentity("f", "t", "c")},
            "has answers to the questions of another dataset, or of this one before",
        ),
        ({"decoding": AnswerDecoding(64)}, "--max-new-tokens 128, --samples 1, --temperature 0.0, not"),
    ],
)
def test_others_are_refused(tmp_path, change, words):
    WrittenAnswers.claim(tmp_path, FACTS, 3)
    with pytest.raises(ConfigError, match=words):
        WrittenAnswers.claim(tmp_path, replace(FACTS, **change), 3)


def test_the_report_says_what_was_written_and_what_was_kept(tmp_path):
    report = WritingReport("m", 10, 2, {"verified": 7, "truncated": 2, "outside_lengths": 1, "empty": 0}, 3, 50, 90)
    report.write(tmp_path)
    assert (tmp_path / layout.WRITTEN_REPORT).exists() and WritingReport.read(tmp_path) == report
    assert report.sentence() == (
        "7 of 10 answers about a context were written by m from the gold segments alone and contain the stored answer; "
        "the others are the stored ones (2 truncated, 1 outside lengths)"
    )
