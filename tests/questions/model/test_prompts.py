import json
import re

import pytest

from in2_plugin.questions import Kind
from in2_plugin.questions.model.parsing import Pair, parse
from in2_plugin.questions.model.prompts import make_prompt, response_format, retry_prompt

FINE, INTEGRATION = Kind.FINE_GRAINED, Kind.INTEGRATION
ONE, THREE = ["The harbour was founded in 1843."], ["First.", "Second.", "Third."]


def prompt(kind=FINE, texts=ONE, count=1, answer_format="json_schema", own=None, draw=0) -> str:
    return make_prompt(kind, texts, count, answer_format, own, draw)


@pytest.mark.parametrize("answer_format", ["json_schema", "markers"])
@pytest.mark.parametrize(("kind", "texts"), [(FINE, ONE), (INTEGRATION, THREE)])
def test_the_passage_comes_last_after_what_all_prompts_share(kind, texts, answer_format):
    first = prompt(kind, texts, answer_format=answer_format)
    other = prompt(kind, ["Another text.", "And more."], answer_format=answer_format)
    shared = next(i for i, (one, two) in enumerate(zip(first, other, strict=False)) if one != two)
    assert first[shared:] == (texts[0] if kind is FINE else "\n\n".join(["First.", "[2] Second.", "[3] Third."]))


def test_pieces_are_numbered_from_one():
    assert prompt(INTEGRATION, THREE).endswith("[1] First.\n\n[2] Second.\n\n[3] Third.")


@pytest.mark.parametrize(("answer_format", "field"), [("json_schema", '"pieces": ['), ("markers", "### Pieces ###:")])
def test_pieces_are_asked_for_in_integration_alone(answer_format, field):
    assert field in prompt(INTEGRATION, THREE, answer_format=answer_format)
    assert field not in prompt(answer_format=answer_format)


def test_several_questions_are_asked_for_by_number():
    assert "write 3 questions" in prompt(count=3)
    assert "with 3 entries" in prompt(count=3)
    assert "3 times" in prompt(count=3, answer_format="markers")


def test_a_passage_that_holds_our_marks_is_left_alone():
    text = "Write {count} of {context} in {braces} %s %d."
    assert prompt(texts=[text]).endswith(text)
    assert prompt(texts=[text], own="{count}: {context}").startswith(f"1: {text}")


def test_a_prompt_of_ones_own_keeps_its_braces_and_gets_the_form():
    own = 'Return {"a": {}} and {0} and {unknown!r:>10} for {context}; {count} of them.'
    made = prompt(own=own, count=2)
    assert made.startswith(f'Return {{"a": {{}}}} and {{0}} and {{unknown!r:>10}} for {ONE[0]}; 2 of them.')
    assert '"question"' in made
    assert "### Answer ###" in prompt(own=own, answer_format="markers")


def test_each_draw_asks_anew():
    assert len({prompt(draw=draw) for draw in range(4)}) == 4
    assert len({prompt(own="{context}", draw=draw) for draw in range(4)}) == 4


def test_the_form_that_markers_ask_for_is_the_one_that_is_read():
    asked = prompt(INTEGRATION, THREE, answer_format="markers")
    form = asked[asked.index("### Question") : asked.index("\n\nMaterial")]
    filled = re.sub(r"\(numbers[^)]*\)", "1, 3", form).replace("(the question)", "Q?").replace("(the answer)", "A.")
    assert parse(filled, INTEGRATION, 3) == (Pair("Q?", "A.", (1, 3)),)


def test_the_form_that_json_asks_for_is_the_one_that_is_read():
    asked = prompt(INTEGRATION, THREE)
    example = asked[asked.index('{"questions"') :].split("\n")[0]
    assert parse(example, INTEGRATION, 3) == (Pair("...", "...", (1, 3)),)


@pytest.mark.parametrize("kind", Kind)
def test_the_schema_is_strict(kind):
    given = response_format(kind)
    assert given["type"] == "json_schema"
    assert given["json_schema"]["strict"] is True

    def check(schema) -> None:
        if schema["type"] == "object":
            # strict mode: every property is required and no other is allowed
            assert schema["required"] == list(schema["properties"])
            assert schema["additionalProperties"] is False
            for inner in schema["properties"].values():
                check(inner)
        elif schema["type"] == "array":
            check(schema["items"])

    check(given["json_schema"]["schema"])
    assert ("pieces" in json.dumps(given)) == (kind is INTEGRATION)


def test_a_second_try_says_what_was_wrong():
    again = retry_prompt(prompt(), "it names a piece that was not given")
    assert again.startswith(prompt())
    assert "it names a piece that was not given" in again


def test_the_sentences_of_the_paper_stay_out():
    """Its rules are followed in our own words."""
    for kind, texts in ((FINE, ONE), (INTEGRATION, THREE)):
        made = prompt(kind, texts)
        assert "fully answerable from information present" not in made
        assert "clear and unambiguous" not in made
        assert "multiple logical connections" not in made
