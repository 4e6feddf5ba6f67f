"""Read predictions from files and pair them with questions: by order like the authors' outputs, or by id in any order.

A row is `{"samples": [text]}` or `{"sample": text}`, with or without `id`, or a result of the batch interface, whose
`custom_id` is the id. Invariant: every question gets exactly one prediction, or nothing is scored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from in2_plugin.errors import ProbeError
from in2_plugin.probing.offline.gold import GoldRow
from in2_plugin.probing.published.files import json_lines


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer of a model."""

    place: str
    """File and row, from 1."""
    id: str | None
    text: str
    n_samples: int
    """Number of texts in the row; `text` is the first."""


def read_predictions(paths: Sequence[Path]) -> list[Prediction]:
    """Read the predictions of several files in order.

    Raises:
        ProbeError: a row is not a prediction, or is a failed request of the batch interface; names file and row.
    """
    answers = []
    for path in paths:
        for number, row in enumerate(json_lines(path), start=1):
            answers.append(_parse(f"{path}, row {number}", row))
    for answer in answers:
        if (answer.id is None) != (answers[0].id is None):
            raise ProbeError(
                f"{answer.place}: some predictions have an id and some have none; give it to all or to none"
            )
    return answers


def _parse(place: str, row: Any) -> Prediction:
    if not isinstance(row, dict):
        raise ProbeError(f'{place}: is not a JSON object; a prediction is {{"sample": text}}')
    if "custom_id" in row:
        return Prediction(place, str(row["custom_id"]), _batch_text(place, row), 1)
    identity = None if row.get("id") is None else str(row["id"])
    if ("sample" in row) == ("samples" in row):
        count = "both" if "sample" in row else "neither"
        raise ProbeError(f"{place}: has {count} of `sample` and `samples`; a prediction has one of them")
    samples = row["samples"] if "samples" in row else [row["sample"]]
    if not isinstance(samples, list) or not samples or not isinstance(samples[0], str):
        raise ProbeError(
            f'{place}: `samples` must be a list of texts, `sample` a text; write "" where the model gave no answer'
        )
    return Prediction(place, identity, samples[0], len(samples))


def _batch_text(place: str, row: Mapping[str, Any]) -> str:
    """Return the text in a result line (platform.openai.com/docs/guides/batch), "" if the model gave none."""
    try:
        if row.get("error") or row["response"]["status_code"] != 200:
            raise ProbeError(f"{place}: request {row['custom_id']} failed; send it again and add the new results")
        text = row["response"]["body"]["choices"][0]["message"]["content"]
    except (LookupError, TypeError):
        raise ProbeError(f"{place}: is not a result of /v1/chat/completions; send the request again") from None
    # null when reasoning used up the tokens to generate
    return "" if text is None else str(text)


def pair(gold: Sequence[GoldRow], answers: Sequence[Prediction]) -> list[tuple[GoldRow, Prediction]]:
    """Pair each question with its prediction, by id if the predictions have one, else by order.

    Raises:
        ProbeError: there are too many predictions or too few, or ids do not match.
    """
    if not answers or answers[0].id is None:
        if len(gold) != len(answers):
            raise ProbeError(
                f"there are {len(gold):,} gold rows and {len(answers):,} predictions; without ids they are paired by "
                "order, so their numbers must be equal"
            )
        return list(zip(gold, answers, strict=True))
    return _paired_by_id(gold, answers)


def _paired_by_id(gold: Sequence[GoldRow], answers: Sequence[Prediction]) -> list[tuple[GoldRow, Prediction]]:
    by_id: dict[str | None, Prediction] = {}
    known = {row.id for row in gold}
    if known == {None}:
        raise ProbeError("predictions have ids and gold rows have none; remove the ids, or add them to the gold rows")
    for answer in answers:
        if answer.id not in known:
            raise ProbeError(
                f"{answer.place}: no gold row has the id {answer.id}; give predictions for these questions"
            )
        if answer.id in by_id:
            raise ProbeError(f"{answer.place}: id {answer.id} occurs twice; keep one of the predictions")
        by_id[answer.id] = answer
    if missing := [row.id for row in gold if row.id not in by_id]:
        raise ProbeError(f"{len(missing):,} of {len(gold):,} questions have no prediction, the first is {missing[0]}")
    return [(row, by_id[row.id]) for row in gold]
