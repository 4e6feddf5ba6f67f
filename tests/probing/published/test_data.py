"""The authors' data in memory: prompts restored byte for byte, queries, golds, ambiguity."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.errors import ProbeError
from in2_plugin.probing.probes.registry import PROBES
from in2_plugin.probing.published.data import collect, common_prefix, split_prompt
from in2_plugin.probing.published.files import PublishedRow
from tests.support import paper_data


def published(name: str, sets: int = 2, positions: int = 8, **wrapping: tuple[str, str]) -> list[PublishedRow]:
    """Rows as read; `wrapping` replaces text in their prompts."""
    rows = []
    for number, row in enumerate(paper_data.rows(name, sets, positions), start=1):
        prompt = row["prompt"]
        for old, new in wrapping.values():
            prompt = prompt.replace(old, new)
        gold = tuple(row[field] for field in PROBES[name].gold_fields)
        rows.append(PublishedRow(f"row {number}", row["set_id"], row["position_id"], prompt, gold))
    return rows


SPELLINGS = {
    "as the paper prints it": {},
    "with a BOS and no spaces at the tags": {"a": ("[INST] ", "<s>[INST]"), "b": (" [/INST]", "[/INST]\n")},
    "with other white space": {
        "a": ("\n\n### Instruction:\n", "\n### Instruction: \n"),
        "b": ("above context ,", "above  context,"),
    },
}


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_prompts_are_restored_byte_for_byte(name, spelling):
    rows = published(name, **SPELLINGS[spelling])
    data = collect(PROBES[name], reversed(rows))
    for row in rows:
        assert data.prompt(row.set, row.position) == row.prompt
        question = data.question(row.set, row.position)
        assert question.query == paper_data.item(name, row.set, row.position).query
        assert question.gold == row.gold
        assert question.ambiguous == (row.set == 0 and row.position in paper_data.TWINS)


def test_a_context_is_held_once():
    rows = published("document", 1, 200)
    (one,) = collect(PROBES["document"], rows).sets
    assert sum(len(question.rest) for question in one.questions) < 200 * 40 < len(one.first) * 10
    assert one.first[: one.longest_shared()].endswith("### Instruction:\n")


def test_without_the_template_prompts_are_kept_whole():
    rows = published("code", a=("### Context", "# Code"), b=("### Instruction:\n", ""), c=(" [/INST]", ""))
    data = collect(PROBES["code"], rows)
    assert [data.prompt(row.set, row.position) for row in rows] == [row.prompt for row in rows]
    assert sum(question.ambiguous for one in data.sets for question in one.questions) == 2
    with pytest.raises(ProbeError, match=r"lacks `### Context:` or `### Instruction:`.*choose the template film"):
        split_prompt(data.prompt(0, 0))


@pytest.mark.parametrize("name", PROBES)
def test_prompts_are_split_into_context_and_question(name):
    row = published(name)[3]
    context, question = split_prompt(row.prompt)
    items = [paper_data.item(name, 0, position).text for position in range(8)]
    assert context == "\n".join(items)
    assert question == PROBES[name].question.replace("{}", paper_data.item(name, 0, 3).query)


def test_headings_inside_a_context_are_kept():
    prompt = "[INST] Below.\n\n### Context:\none\n### Instruction:\ntwo\n\n### Instruction:\nWhich? [/INST]"
    assert split_prompt(prompt) == ("one\n### Instruction:\ntwo", "Which?")


def test_a_quoted_line_may_have_quotes():
    row = published("code", 1, 2)[0]
    quoted = replace(row, prompt=row.prompt.replace('snip "b(0x0)"', 'snip "print("a" ?, "b")"'))
    assert collect(PROBES["code"], [quoted]).question(0, 0).query == 'print("a" ?, "b")'


def test_baselines():
    data = collect(PROBES["document"], published("document"))
    # of `the tale 0x3 ends.` the words `tale` and `0x3`; then what two sentences share
    assert data.baselines(0, 3) == (0.5, 0.75)
    assert collect(PROBES["code"], published("code")).baselines(1, 1) == (0.0, 0.0)


def test_the_fingerprint_changes_with_any_prompt():
    rows = published("database")
    changed = [*rows[:-1], replace(rows[-1], prompt=rows[-1].prompt.replace("[/INST]", " [/INST]"))]
    first, again, other = (collect(PROBES["database"], given).fingerprint() for given in (rows, rows, changed))
    assert first == again != other and len(first) == 16


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        (slice(3, 5), "set 0 of the document probe lacks 2 of its 8 positions, the first is 3"),
        (slice(15, 16), "set 1 of the document probe lacks 1 of its 8 positions, the first is 7"),
        (slice(0, 8), "must have sets 0, 1, 2, ... but has 1"),
        (slice(0, 16), "but has none"),
    ],
)
def test_missing_rows_are_counted(drop, message):
    rows = published("document")
    del rows[drop]
    with pytest.raises(ProbeError) as failure:
        collect(PROBES["document"], rows)
    assert message in str(failure.value)


def test_a_position_occurs_once():
    rows = published("document")
    with pytest.raises(ProbeError, match="row 17: position 0 of set 0 occurs twice"):
        collect(PROBES["document"], [*rows, replace(rows[0], place="row 17")])


def test_a_different_question_is_refused():
    row = published("document")[0]
    asked = replace(row, prompt=row.prompt.replace("which sentence", "what sentence"))
    with pytest.raises(ProbeError, match="row 1: `prompt` does not end with a question like `In above context, which"):
        collect(PROBES["document"], [asked])


@given(st.text("ab\né", max_size=40), st.text("ab", max_size=9), st.text("ab", max_size=9))
def test_common_prefix(common, one, other):
    found = common_prefix(common + one, common + other)
    first, second = common + one, common + other
    assert first[:found] == second[:found] and found >= len(common)
    assert found == min(len(first), len(second)) or first[found] != second[found]
