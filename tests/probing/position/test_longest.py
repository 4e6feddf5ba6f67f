"""One question per context has the longest prompt."""

from dataclasses import replace

from in2_plugin.probing.position.longest import longest_by_context
from in2_plugin.probing.position.probe import PositionQuestion

ONE = PositionQuestion(0, 0, 512, 0, 1, "fine_grained", "short", ("gold",), "short", "other", (0.5,))


class Letters:
    def each(self, texts):
        return [len(text) for text in texts]

    def prompt(self, text):
        return len(text)


def test_the_first_of_the_longest_of_each_context():
    texts = [(0, "aa"), (1, "b"), (0, "aaa"), (1, "c"), (0, "ddd")]
    questions = [replace(ONE, question=n, context=c, text=text) for n, (c, text) in enumerate(texts)]
    assert [one.question for one in longest_by_context(questions, Letters())] == [2, 1]
