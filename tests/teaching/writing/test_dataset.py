"""A dataset with written answers: the same contexts, other answers, nothing outside the bounds of its build file."""

import pytest

from in2_plugin import layout
from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.dataset.build_record import stored_config
from in2_plugin.dataset.reader import IN2Dataset
from in2_plugin.dataset.tables import read_rows
from in2_plugin.teaching.rows import ExamplesIdentity
from in2_plugin.teaching.writing.dataset import link_files, make_dataset, with_answers
from in2_plugin.teaching.writing.decoding import AnswerDecoding
from in2_plugin.teaching.writing.store import WritingFacts, WrittenAnswers
from in2_plugin.teaching.writing.verification import AnswerOutcome, CheckedAnswer
from tests.support.taught import taught_dataset, teacher_folder


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return IN2Dataset(taught_dataset(tmp_path_factory.mktemp("source")), load_tokenizer(str(teacher_folder())))


@pytest.fixture
def make(source, tmp_path):
    """Returns a function that makes a dataset of some answers: (example, turn) -> text and outcome."""

    def make(texts, **changes):
        config = stored_config(source.folder, "build.json")
        config = config.model_copy(update={"output": tmp_path, **changes})
        facts = WritingFacts("m", "w", "float32", ExamplesIdentity.of(source.folder), AnswerDecoding())
        (tmp_path / layout.WRITTEN).mkdir(exist_ok=True)
        written = WrittenAnswers.claim(tmp_path / layout.WRITTEN, facts, len(source))
        given = [
            (number, turn, CheckedAnswer(*texts(number, turn, one["answer"]), 5))
            for number, row in enumerate(source.rows()) if row["segment_ids"]
            for turn, one in enumerate(row["turns"])
        ]  # fmt: skip
        written.write(0, given)
        return make_dataset(source, config, written)

    return make


def longer(number, turn, stored):
    return f"Surely: {stored}", AnswerOutcome.VERIFIED if (number + turn) % 2 else AnswerOutcome.UNVERIFIED


def test_verified_answers_replace_the_stored_ones(source, make, tmp_path):
    report = make(longer, lengths=stored_config(source.folder, "").lengths.model_copy(update={"max": 2_000}))
    before, after = list(source.rows()), list(read_rows(tmp_path / layout.EXAMPLES))
    changed = 0
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        assert old["segment_ids"] == new["segment_ids"] and old["part"] == new["part"]
        assert new["n_tokens"] - old["n_tokens"] == new["n_answer_tokens"] - old["n_answer_tokens"]
        for turn, (one, other) in enumerate(zip(old["turns"], new["turns"], strict=True)):
            is_new = bool(old["segment_ids"]) and (number + turn) % 2 == 1
            assert other["answer"] == (f"Surely: {one['answer']}" if is_new else one["answer"])
            assert other["gold"] == one["gold"]
            changed += is_new
    assert report.verified == changed and report.outcomes["unverified"] == report.questions - changed
    assert report.conversations == sum(len(row["turns"]) for row in before if not row["segment_ids"])
    assert report.written_tokens - report.stored_tokens == sum(new["n_tokens"] for new in after) - sum(
        old["n_tokens"] for old in before
    )


def test_questions_have_the_answers_of_their_examples(source, make, tmp_path):
    make(longer)
    asked = {(row["kind"], row["question"]): row["answer"] for row in read_rows(tmp_path / layout.QUESTIONS)}
    turns = [turn for row in read_rows(tmp_path / layout.EXAMPLES) if row["segment_ids"] for turn in row["turns"]]
    assert all(asked[turn["kind"], turn["question"]] == turn["answer"] for turn in turns)
    assert len(asked) == len(list(read_rows(source.folder / layout.QUESTIONS)))


def test_without_verified_answers_the_bytes_are_those_of_the_source(source, make, tmp_path):
    report = make(lambda *_: ("no", AnswerOutcome.UNVERIFIED))
    for name in (layout.EXAMPLES, layout.QUESTIONS, layout.INSTRUCTIONS, layout.REJECTED):
        assert (tmp_path / name).read_bytes() == (source.folder / name).read_bytes()
    assert report.stored_tokens == report.written_tokens and report.same == report.verified == 0


def test_the_same_answer_is_counted(make):
    report = make(lambda *of: (of[2].upper(), AnswerOutcome.VERIFIED))
    assert report.same == report.verified > 0


def test_an_example_outside_lengths_keeps_all_its_answers(source, make, tmp_path):
    longest = max(row["n_tokens"] for row in source.rows())
    lengths = stored_config(source.folder, "build.json").lengths.model_copy(update={"max": longest})
    report = make(lambda *of: (of[2] + " and so on" * 60, AnswerOutcome.VERIFIED), lengths=lengths)
    after = list(read_rows(tmp_path / layout.EXAMPLES))
    assert max(row["n_tokens"] for row in after) <= longest
    kept = [new for old, new in zip(source.rows(), after, strict=True) if old == new and old["segment_ids"]]
    assert report.outcomes["outside_lengths"] == sum(len(row["turns"]) for row in kept) > 0
    assert report.verified == report.questions - report.outcomes["outside_lengths"]


def test_answers_outside_the_bounds_of_the_audit_are_not_used(source, make):
    bounds = stored_config(source.folder, "build.json").audit.model_copy(update={"answer_tokens": (2, 3)})
    report = make(longer, audit=bounds)
    assert report.verified == 0 and report.outcomes["outside_lengths"] > 0


def test_a_finished_dataset_is_not_made_again(make, tmp_path):
    report = make(longer)
    before = (tmp_path / layout.EXAMPLES).stat()
    assert make(longer) == report and (tmp_path / layout.EXAMPLES).stat() == before


def test_segments_take_no_space_unless_they_must_be_copied(source, tmp_path, monkeypatch):
    (tmp_path / "links").mkdir()
    link_files(source.folder, tmp_path / "links")
    name = f"{layout.SEGMENTS}/{layout.SEGMENT_IDS}"
    assert (source.folder / name).samefile(tmp_path / "links" / name)

    def refuse(*_):
        raise OSError("another file system")

    monkeypatch.setattr("os.link", refuse)
    (tmp_path / "copies").mkdir()
    link_files(source.folder, tmp_path / "copies")
    assert (tmp_path / "copies" / name).read_bytes() == (source.folder / name).read_bytes()
    assert not (source.folder / name).samefile(tmp_path / "copies" / name)


def test_counts_follow_the_rendering(source):
    row = next(row for row in source.rows() if len(row["turns"]) == 2 and row["segment_ids"])
    new = with_answers(row, {1: "Another answer."}, source.renderer)
    rendered = source.render(new)  # raises unless the counts are right
    assert new["turns"][0] == row["turns"][0] and new["turns"][1]["answer"] == "Another answer."
    assert [stop - start for start, stop in rendered.answers] == [turn["n_answer_tokens"] for turn in new["turns"]]
