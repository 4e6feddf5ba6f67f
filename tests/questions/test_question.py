"""Parts and contexts of passages and questions."""

import pytest

from in2_plugin.questions import Kind, Part, Passage, Question


def test_the_context_of_a_passage_is_its_document_when_that_is_given():
    passage = Passage(Kind.FINE_GRAINED, 0, (4,), ("text",), 0)
    assert passage.context == (4,)
    assert Passage(Kind.FINE_GRAINED, 0, (4,), ("text",), 0, whole=(3, 4, 5)).context == (3, 4, 5)


@pytest.mark.parametrize(
    ("kind", "short", "part"),
    [
        (Kind.FINE_GRAINED, False, Part.FINE_GRAINED),
        (Kind.INTEGRATION, False, Part.INTEGRATION),
        (Kind.INTEGRATION, True, Part.SHORT_CONTEXT),
    ],
)
def test_the_part_of_a_question(kind, short, part):
    question = Question(kind, "form", "Who?", "Me.", 0, (0,), (0,), (), "writer", short_context=short)
    assert question.part is part
