"""`in2 val write` and `in2 val score` through the command line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from in2_plugin.cli.app import app
from in2_plugin.probing.probes.matrix import MATRIX
from in2_plugin.probing.probes.registry import PROBES
from tests.support import paper_data

A_CELL = sorted(MATRIX)[0]


def val(*arguments: object, ok: bool = True) -> str:
    """Run the command, check its exit status, and return its output."""
    done = CliRunner().invoke(app, ["val", *map(str, arguments)])
    assert done.exit_code == (0 if ok else 1), done.output
    return done.output.strip()


def error_of(*arguments: object) -> str:
    """Run a command that fails, and return its one-line error."""
    output = val(*arguments, ok=False)
    assert output.startswith("error: ") and "\n" not in output
    return output


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def small(tmp_path_factory, mistral_folder):
    """Return a folder with a written database probe and matrix probe."""
    folder = tmp_path_factory.mktemp("written")
    for task in ("database", A_CELL):
        val("write", "--task", task, "--length", "1K", "--sets", 2, "--tokenizer", mistral_folder, "-o", folder / task)
    return folder


def perfect(gold: list[dict]) -> list[dict]:
    return [{"sample": " ".join(row.get("gold") or [row["label"], row["description"]])} for row in gold]


def scored(folder: Path, task: str, predictions: list[dict], *more: object) -> dict:
    file = paper_data.save_lines(folder.parent / "predictions.jsonl", predictions)
    return json.loads(
        val("score", "--task", task, "--gold", folder / "gold.jsonl", "--predictions", file, "--json", *more)
    )


@pytest.mark.parametrize("task", ["database", A_CELL])
def test_written_probes_can_be_answered_and_scored(small, task):
    gold = rows(small / task / "gold.jsonl")
    asked = rows(small / task / "prompts.jsonl")
    assert [row["id"] for row in asked] == [row["id"] for row in gold]
    assert all(row["query"] in question["prompt"] for row, question in zip(gold, asked, strict=True))
    found = scored(small / task, task, perfect(gold))
    assert (found["task"], found["avg"], found["gap"], found["questions"]) == (task, 1.0, 0.0, len(gold))
    assert found["match_paper"] is False and len(found["spans"]) == (16 if task == A_CELL else 15)
    nothing = scored(small / task, task, [{"samples": [""]}] * len(gold), "--spans", 4)
    assert (nothing["avg"], nothing["empty"], len(nothing["spans"])) == (0.0, len(gold), 4)


def test_predictions_match_by_id_in_any_order(small):
    gold = rows(small / "database/gold.jsonl")
    answers = [{"id": row["id"], **answer} for row, answer in zip(gold, perfect(gold), strict=True)]
    assert scored(small / "database", "database", answers[::-1])["avg"] == 1.0
    file = paper_data.save_lines(small / "predictions.jsonl", answers[:-2])
    score = ("score", "--task", "database", "--gold", small / "database/gold.jsonl", "--predictions", file)
    assert error_of(*score).endswith(f"2 of {len(gold)} questions have no prediction, the first is {answers[-2]['id']}")


@pytest.mark.parametrize("task", ["database", A_CELL])
def test_help_names_the_fields_of_the_files(small, task):
    (prompt, *_), (gold, *_) = rows(small / task / "prompts.jsonl"), rows(small / task / "gold.jsonl")
    written = val("write", "--help")
    assert [name for name in {**prompt, **gold} if f"`{name}`" not in written] == []
    scored = val("score", "--help")
    assert [name for name in {**gold, "sample": 0, "samples": 0} if f"`{name}`" not in scored] == []


def test_the_table_shows_scores_with_intervals(small):
    gold = rows(small / "database/gold.jsonl")
    wrong = [{"samples": ["no", "yes"]}, {"sample": " "}, *perfect(gold)[2:]]
    file = paper_data.save_lines(small / "predictions.jsonl", wrong)
    output = val(
        "score", "--task", "database", "--gold", small / "database/gold.jsonl", "--predictions", file
    ).splitlines()
    assert output[0].split() == ["database,", "%", "95%", "interval"]
    shown = {line[:20].strip(): line[20:].split() for line in output[1:]}
    assert 90 < float(shown["Avg"][0]) < 100 and shown["Gap"][0] != "0.0"
    assert list(shown)[:4] == ["Ends minus middle", "Slope, start to end", "Avg", "Gap"]
    assert shown["Ends minus middle"][0].startswith("-") and shown["Ends minus middle"][1].startswith("[-")
    assert shown["Gap of a flat model"][1:3] == ["95th", "percentile"]
    value, low, high = shown["span 15 of 15"]
    assert (value, high) == ("100.0", "100.0]") and 60 < float(low.strip("[,")) < 100  # of few questions
    assert f"{len(gold)} answers scored; a flat model has this Gap by chance with probability" in output[-3]
    assert output[-2:] == [
        "note: 1 predictions have several samples; only the first counts",
        "note: 1 answers are empty and count as wrong",
    ]


def test_unfinished_thoughts_are_reported(small):
    gold = rows(small / "database/gold.jsonl")
    thought = "<think>" + " ".join(answer["sample"] for answer in perfect(gold))
    file = paper_data.save_lines(small / "predictions.jsonl", [{"sample": thought}] * len(gold))
    score = ("score", "--task", "database", "--gold", small / "database/gold.jsonl", "--predictions", file)
    share = f"note: {len(gold)} of {len(gold)} (100.0%) answers end inside a thought"
    assert val(*score).splitlines()[-1] == f"{share} and count as wrong; allow longer answers"
    assert json.loads(val(*score, "--json"))["avg"] == 0.0
    assert val(*score, "--thoughts", "scored").splitlines()[-1].startswith(f"{share}; their whole text is scored")
    assert json.loads(val(*score, "--json", "--thoughts", "scored"))["avg"] == 1.0


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Return a folder with the authors' database probe, at its real size."""
    folder = tmp_path_factory.mktemp("paper")
    paper_data.as_downloaded(folder, "database", paper_data.rows("database"))
    return folder


def test_the_authors_data_is_scored_as_published_and_corrected(published, tmp_path):
    """The authors' data file serves as the gold file, and their outputs have no ids."""
    gold = published / "database_forward_32k.jsonl"
    right = [{"samples": [f" It is {paper_data.item('database', s, p).gold[0]}"]} for s in range(4) for p in range(750)]
    right[49] = right[774] = {"samples": ["no"]}  # neither is scored in the paper
    file = paper_data.save_lines(tmp_path / "sample_database_forward_32k.jsonl", right)
    score = ("score", "--task", "database", "--gold", gold, "--predictions", file)
    paper = json.loads(val(*score, "--match-paper", "--json"))
    assert (paper["avg"], paper["gap"], paper["questions"], paper["left_out"]) == (1.0, 0.0, 2_938, 62)
    found = json.loads(val(*score, "--json"))
    assert found["questions"] == 3_000 and found["avg"] == pytest.approx(1 - 2 / 200 / 15)
    assert "note: 62 answers that the published scoring excludes do not count" in val(*score, "--match-paper")


def test_write_with_paper_writes_the_authors_prompts(published, tmp_path):
    output = val("write", "--task", "database", "--paper", published, "--template", "film", "-o", tmp_path / "out")
    assert output == f"wrote 3,000 questions, prompts.jsonl in {tmp_path / 'out'}"
    with (tmp_path / "out/prompts.jsonl").open() as lines:
        first = json.loads(next(lines))
    with (published / "database_forward_32k.jsonl").open() as lines:
        assert first["prompt"] == json.loads(next(lines))["prompt"]
    gold = rows(tmp_path / "out/gold.jsonl")
    assert [index for index, row in enumerate(gold) if row["ambiguous"]] == list(paper_data.TWINS)


def test_a_batch_and_its_results(mistral_folder, tmp_path):
    val(
        "write", "--task", "code", "--length", 1_024, "--sets", 1, "--questions", 6, "--tokenizer", mistral_folder,
        "--format", "batch", "--model", "gpt-x", "--output", tmp_path / "out",
    )  # fmt: skip
    answers = []
    for request, row in zip(rows(tmp_path / "out/batch-001.jsonl"), rows(tmp_path / "out/gold.jsonl"), strict=True):
        assert request["body"]["model"] == "gpt-x" and row["query"] in request["body"]["messages"][0]["content"]
        body = {"choices": [{"message": {"content": f"It is {row['completion']}."}}]}
        answers.append({"custom_id": request["custom_id"], "response": {"status_code": 200, "body": body}})
    assert len(answers) == 6
    one, two = (paper_data.save_lines(tmp_path / name, part) for name, part in (("1", answers[4:]), ("2", answers[:4])))
    score = ("score", "--task", "code", "--gold", tmp_path / "out/gold.jsonl", "--predictions", one)
    assert json.loads(val(*score, "--predictions", two, "--json"))["avg"] == 1.0


def test_prompts_with_the_chat_template(mistral_folder, tmp_path):
    more = ("--questions", 1, "--sets", 1, "--tokenizer", mistral_folder, "--template", "chat", "-o", tmp_path / "out")
    output = val("write", "--task", "code", "--length", "512", *more)
    assert output.splitlines()[1].startswith("note: the prompts contain the chat template")
    (row,) = rows(tmp_path / "out/prompts.jsonl")
    assert row["prompt"].startswith("<s>[INST] Below is a context") and row["prompt"].endswith(" [/INST]")


def test_own_items_and_writing_twice(mistral_folder, tmp_path):
    entities = [{"id": f"Z{i:03}", "label": f"label of {i}", "dcpt": f"thing with number {i}"} for i in range(200)]
    paper_data.save_lines(tmp_path / "database_entities.jsonl", entities)
    write = ("write", "--task", "database", "--length", "1K", "--tokenizer", mistral_folder, "--pieces", tmp_path)
    assert val(*write, "-o", tmp_path / "out").startswith("wrote ")
    assert rows(tmp_path / "out/gold.jsonl")[0]["query"].startswith("Z")
    assert val(*write, "-o", tmp_path / "out").startswith("already written: ")
    assert "has a probe with other seed" in error_of(*write, "--seed", 1, "-o", tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--task", "databse"), "unknown task `databse`; did you mean `database`?"),
        (("--task", "xyz"), f"unknown task `xyz`; choose from {', '.join(PROBES)}, "),
        (("--task", "code"), "set --tokenizer"),
        (("--task", "code", "--paper", "x/y", "--seed", "0", "--length", "4K"), "remove --length, --seed"),
        (("--task", A_CELL, "--paper", "x/y"), "the authors published document, code, database, not matrix_"),
        (("--task", "code", "--paper", "nowhere", "--template", "film"), "error: nowhere: there is no such file"),
        (("--task", "code", "--tokenizer", "/nowhere"), "cannot be loaded"),
        (
            ("--task", "code", "--tokenizer", "x", "--length", "64"),
            "in2 val write: `probe_length` must be greater than 128",
        ),
    ],
)
def test_invalid_arguments_give_one_sentence(tmp_path, arguments, message):
    assert message in error_of("write", *arguments, "--output", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_an_invalid_length_is_refused(tmp_path):
    done = CliRunner().invoke(app, ["val", "write", "--task", "code", "-o", str(tmp_path / "out"), "--length", "32GB"])
    assert done.exit_code == 2 and "give a length like 32K or 32768" in done.output
