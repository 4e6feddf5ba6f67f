"""Numbers of questions per part and kind."""

import pytest

from in2_plugin.config import Mixture
from in2_plugin.pipeline.passages import display_name, questions_by_kind, wanted_questions
from in2_plugin.questions import Kind, Part


def mixture(fine: int, integration: int, short: int) -> Mixture:
    return Mixture(fine_grained=fine, integration=integration, short_context=short, general=0)


def test_short_contexts_have_both_kinds_in_the_proportion_of_the_long_parts():
    assert list(wanted_questions(mixture(30, 10, 8))) == [
        (Part.FINE_GRAINED, Kind.FINE_GRAINED, 30),
        (Part.INTEGRATION, Kind.INTEGRATION, 10),
        (Part.SHORT_CONTEXT, Kind.FINE_GRAINED, 6),
        (Part.SHORT_CONTEXT, Kind.INTEGRATION, 2),
    ]


@pytest.mark.parametrize(("given", "expected"), [((30, 10, 8), (36, 12)), ((0, 0, 5), (5, 0)), ((0, 4, 4), (0, 8))])
def test_questions_by_kind_include_short_contexts(given, expected):
    assert questions_by_kind(mixture(*given)) == dict(zip(Kind, expected, strict=True))


def test_display_names():
    assert display_name(Part.FINE_GRAINED, Kind.FINE_GRAINED) == "fine-grained"
    assert display_name(Part.SHORT_CONTEXT, Kind.INTEGRATION) == "short-context integration"
