"""Predictions in every format, paired with their questions."""

import pytest

from in2_plugin.errors import ProbeError
from in2_plugin.probing.offline.gold import GoldRow
from in2_plugin.probing.offline.predictions import pair, read_predictions
from tests.support import paper_data

GOLD = [GoldRow(f"code-0-{place}", 0, place, 3, (f"f{place}",), False) for place in range(3)]


def without_ids(rows: list[GoldRow]) -> list[GoldRow]:
    return [GoldRow(None, row.set, row.position, row.n_positions, row.gold, row.ambiguous) for row in rows]


def read(tmp_path, rows):
    return read_predictions([paper_data.save_lines(tmp_path / "pred.jsonl", rows)])


def result(identity: str, content: object, **more: object) -> dict:
    body = {"choices": [{"message": {"role": "assistant", "content": content}}]}
    return {"custom_id": identity, "response": {"status_code": 200, "body": body}, "error": None, **more}


def test_the_released_forms(tmp_path):
    found = read(tmp_path, [{"samples": ["a"]}, {"sample": "b"}, {"samples": ["c", "d"]}])
    assert [(answer.text, answer.n_samples) for answer in found] == [("a", 1), ("b", 1), ("c", 2)]
    assert [answer.text for _, answer in pair(GOLD, found)] == ["a", "b", "c"]


def test_ids_need_no_order(tmp_path):
    found = read(tmp_path, [{"id": f"code-0-{place}", "sample": str(place)} for place in (2, 0, 1)])
    assert [(row.position, answer.text) for row, answer in pair(GOLD, found)] == [(0, "0"), (1, "1"), (2, "2")]


def test_results_of_the_batch_interface_from_several_files(tmp_path):
    first = paper_data.save_lines(tmp_path / "1.jsonl", [result("code-0-2", "two"), result("code-0-0", None)])
    second = paper_data.save_lines(tmp_path / "2.jsonl", [result("code-0-1", "one")])
    assert [answer.text for _, answer in pair(GOLD, read_predictions([first, second]))] == ["", "one", "two"]


FAILED = {"response": {"status_code": 400, "body": {"error": {"message": "too long"}}}}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"sample": "a", "samples": ["a"]}, "row 2: has both of `sample` and `samples`"),
        ({"text": "a"}, "row 2: has neither of `sample` and `samples`"),
        ({"samples": []}, "row 2: `samples` must be a list of texts"),
        ({"samples": "abc"}, "row 2: `samples` must be a list of texts"),
        ({"sample": None}, 'row 2: `samples` must be a list of texts, `sample` a text; write "" where'),
        (["a"], "row 2: is not a JSON object"),
        ({"id": "code-0-1", "sample": "a"}, "row 2: some predictions have an id and some have none"),
        (result("x", "a", **FAILED), "row 2: request x failed; send it again"),
        (result("x", "a", error={"code": "expired"}), "row 2: request x failed; send it again"),
        (result("x", "a", response={"status_code": 200, "body": {}}), "row 2: is not a result of /v1/chat/completions"),
        ({"custom_id": "x"}, "row 2: is not a result of /v1/chat/completions"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_reported(tmp_path, row, message):
    with pytest.raises(ProbeError) as failure:
        read(tmp_path, [{"sample": "a"}, row])
    assert f"pred.jsonl, {message}" in str(failure.value)


def test_as_many_answers_as_questions(tmp_path):
    for count in (0, 2, 4):
        found = read(tmp_path, [{"sample": "a"}] * count)
        with pytest.raises(ProbeError, match=f"there are 3 gold rows and {count} predictions; without ids"):
            pair(GOLD, found)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ((0, 1, 1, 2), "row 3: id code-0-1 occurs twice"),
        ((0, 1, 7), "row 3: no gold row has the id code-0-7"),
        ((1,), "2 of 3 questions have no prediction, the first is code-0-0"),
    ],
)
def test_ids_that_do_not_match(tmp_path, places, message):
    found = read(tmp_path, [{"id": f"code-0-{place}", "sample": "a"} for place in places])
    with pytest.raises(ProbeError, match=message):
        pair(GOLD, found)


def test_ids_on_one_side_only(tmp_path):
    found = read(tmp_path, [{"id": f"code-0-{place}", "sample": "a"} for place in range(3)])
    with pytest.raises(ProbeError, match="predictions have ids and gold rows have none"):
        pair(without_ids(GOLD), found)
