"""Every question about a context is answered once, or again until an answer is verified."""

import pytest

from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.dataset.reader import IN2Dataset
from in2_plugin.teaching.rows import write_gold_rows
from in2_plugin.teaching.writing.decoding import AnswerDecoding, WrittenTokens
from in2_plugin.teaching.writing.writer import AnswerWriter
from tests.support.taught import taught_dataset, teacher_folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return IN2Dataset(taught_dataset(tmp_path_factory.mktemp("writer")), load_tokenizer(str(teacher_folder())))


class SlowLearner:
    """Gives a wrong answer to the second half of its prompts until the third attempt."""

    def __init__(self, rows):
        self.asked, self.seeds = [], []
        each = (row for example in range(len(rows)) for row in rows.of(example))
        self._known = {row.ids[: row.answer.start].tobytes(): row.ids[row.answer].tolist()[:-1] for row in each}

    def write(self, prompts, end, decoding, seed, step):
        self.asked.append(len(prompts))
        self.seeds.append(seed)
        step(len(prompts))
        right = len(prompts) if len(self.asked) == 3 else len(prompts) // 2
        known = [self._known[prompt.tobytes()] for prompt in prompts]
        return [WrittenTokens(ids if i < right else ids[:1], has_end=True) for i, ids in enumerate(known)]


def writer_for(dataset, samples):
    rows = write_gold_rows(dataset)
    teacher = SlowLearner(rows)
    return AnswerWriter(dataset, rows, teacher, AnswerDecoding(samples=samples, temperature=1.0)), teacher


def test_conversations_are_not_answered(dataset):
    writer, _ = writer_for(dataset, 1)
    everything = range(len(dataset))
    expected = [
        (number, turn) for number, row in enumerate(dataset.rows()) if row["segment_ids"]
        for turn in range(len(row["turns"]))
    ]  # fmt: skip
    steps = []
    found = writer.write(everything, steps.append)
    assert [(example, turn) for example, turn, _ in found] == expected
    assert writer.n_questions(everything) == len(expected) == sum(steps)


def test_only_unverified_answers_are_tried_again_and_the_first_verified_one_is_taken(dataset):
    writer, teacher = writer_for(dataset, 5)
    steps = []
    found = writer.write(range(16), steps.append)
    n = len(found)
    assert teacher.asked == [n, n - n // 2, n - n // 2 - (n - n // 2) // 2]
    assert {answer.outcome for *_, answer in found} == {"verified"} and sum(steps) == n
    assert len(set(teacher.seeds)) == 3
