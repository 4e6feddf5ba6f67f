"""`in2 val write` and `in2 val score` as a user calls them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from in2_plugin.cli.app import app
from in2_plugin.probing.probes.kinds import KINDS
from in2_plugin.probing.probes.matrix import MATRIX
from tests.support import paper_data

A_CELL = sorted(MATRIX)[0]


def val(*arguments: object, ok: bool = True) -> str:
    """All that is printed, when the exit status is as expected."""
    done = CliRunner().invoke(app, ["val", *map(str, arguments)])
    assert done.exit_code == (0 if ok else 1), done.output
    return done.output.strip()


def refused(*arguments: object) -> str:
    """The one sentence of a refusal."""
    said = val(*arguments, ok=False)
    assert said.startswith("error: ") and "\n" not in said
    return said


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def small(tmp_path_factory, mistral_folder):
    """One written probe of each kind, by name."""
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
def test_what_is_written_can_be_answered_and_scored(small, task):
    gold = rows(small / task / "gold.jsonl")
    asked = rows(small / task / "prompts.jsonl")
    assert [row["id"] for row in asked] == [row["id"] for row in gold]
    assert all(row["query"] in question["prompt"] for row, question in zip(gold, asked, strict=True))
    found = scored(small / task, task, perfect(gold))
    assert (found["task"], found["avg"], found["gap"], found["questions"]) == (task, 1.0, 0.0, len(gold))
    assert found["match_paper"] is False and len(found["spans"]) == (16 if task == A_CELL else 15)
    nothing = scored(small / task, task, [{"samples": [""]}] * len(gold), "--spans", 4)
    assert (nothing["avg"], nothing["empty"], len(nothing["spans"])) == (0.0, len(gold), 4)


def test_answers_by_id_in_any_order(small):
    gold = rows(small / "database/gold.jsonl")
    answers = [{"id": row["id"], **answer} for row, answer in zip(gold, perfect(gold), strict=True)]
    assert scored(small / "database", "database", answers[::-1])["avg"] == 1.0
    file = paper_data.save_lines(small / "predictions.jsonl", answers[:-2])
    score = ("score", "--task", "database", "--gold", small / "database/gold.jsonl", "--predictions", file)
    assert refused(*score).endswith(f"2 of {len(gold)} questions have no prediction, the first is {answers[-2]['id']}")


def test_the_table(small):
    gold = rows(small / "database/gold.jsonl")
    wrong = [{"samples": ["no", "yes"]}, {"sample": " "}, *perfect(gold)[2:]]
    file = paper_data.save_lines(small / "predictions.jsonl", wrong)
    said = val(
        "score", "--task", "database", "--gold", small / "database/gold.jsonl", "--predictions", file
    ).splitlines()
    assert said[0].split() == ["database,", "%", "95%", "interval"]
    shown = {line[:20].strip(): line[20:].split() for line in said[1:]}
    assert 90 < float(shown["Avg"][0]) < 100 and shown["Gap"][0] != "0.0"
    assert shown["Gap of a flat model"][1:3] == ["95th", "percentile"]
    assert shown["span 15 of 15"] == ["100.0", "[100.0,", "100.0]"]
    assert f"{len(gold)} answers scored; a flat model has such a Gap by chance with probability" in said[-3]
    assert said[-2:] == [
        "note: 1 predictions have several samples; the first counts",
        "note: 1 answers are empty and score as wrong ones",
    ]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The authors' database probe at its real size."""
    folder = tmp_path_factory.mktemp("paper")
    paper_data.as_downloaded(folder, "database", paper_data.rows("database"))
    return folder


def test_the_authors_data_scored_as_published_and_corrected(published, tmp_path):
    """Their file is the gold file, and their outputs have no ids."""
    gold = published / "database_forward_32k.jsonl"
    right = [{"samples": [f" It is {paper_data.item('database', s, p).gold[0]}"]} for s in range(4) for p in range(750)]
    right[49] = right[774] = {"samples": ["no"]}  # neither is scored in the paper
    file = paper_data.save_lines(tmp_path / "sample_database_forward_32k.jsonl", right)
    score = ("score", "--task", "database", "--gold", gold, "--predictions", file)
    paper = json.loads(val(*score, "--match-paper", "--json"))
    assert (paper["avg"], paper["gap"], paper["questions"], paper["left_out"]) == (1.0, 0.0, 2_938, 62)
    found = json.loads(val(*score, "--json"))
    assert found["questions"] == 3_000 and found["avg"] == pytest.approx(1 - 2 / 200 / 15)
    assert "note: 62 answers that the published scoring leaves out do not count" in val(*score, "--match-paper")


def test_the_authors_prompts_are_written(published, tmp_path):
    said = val("write", "--task", "database", "--paper", published, "--template", "film", "-o", tmp_path / "out")
    assert said == f"wrote 3,000 questions, prompts.jsonl in {tmp_path / 'out'}"
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


def test_the_chat_template_is_written_out(mistral_folder, tmp_path):
    more = ("--questions", 1, "--sets", 1, "--tokenizer", mistral_folder, "--template", "chat", "-o", tmp_path / "out")
    said = val("write", "--task", "code", "--length", "512", *more)
    assert said.splitlines()[1].startswith("note: the prompts hold the special tokens of the chat template")
    (row,) = rows(tmp_path / "out/prompts.jsonl")
    assert row["prompt"].startswith("<s>[INST] Below is a context") and row["prompt"].endswith(" [/INST]")


def test_users_pieces_and_writing_twice(mistral_folder, tmp_path):
    entities = [{"id": f"Z{i:03}", "label": f"label of {i}", "dcpt": f"thing with number {i}"} for i in range(200)]
    paper_data.save_lines(tmp_path / "database_entities.jsonl", entities)
    write = ("write", "--task", "database", "--length", "1K", "--tokenizer", mistral_folder, "--pieces", tmp_path)
    assert val(*write, "-o", tmp_path / "out").startswith("wrote ")
    assert rows(tmp_path / "out/gold.jsonl")[0]["query"].startswith("Z")
    assert val(*write, "-o", tmp_path / "out").startswith("the same probe is there already: ")
    assert "holds a probe with other seed" in refused(*write, "--seed", 1, "-o", tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--task", "databse"), "no probe is called `databse`; did you mean `database`?"),
        (("--task", "xyz"), f"no probe is called `xyz`; there are {', '.join(KINDS)}, "),
        (("--task", "code"), "give it with --tokenizer"),
        (("--task", "code", "--paper", "x/y", "--seed", "0", "--length", "4K"), "leave --length, --seed out"),
        (("--task", A_CELL, "--paper", "x/y"), "the authors published document, code, database, not matrix_"),
        (("--task", "code", "--paper", "nowhere", "--template", "film"), "error: nowhere: there is no such file"),
        (("--task", "code", "--tokenizer", "/nowhere"), "cannot be loaded"),
        (
            ("--task", "code", "--tokenizer", "x", "--length", "64"),
            "in2 val write: `probe_length`: Input should be greater than 128",
        ),
    ],
)
def test_refusals(tmp_path, arguments, said):
    assert said in refused("write", *arguments, "--output", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_length_that_is_none(tmp_path):
    done = CliRunner().invoke(app, ["val", "write", "--task", "code", "-o", str(tmp_path / "out"), "--length", "32GB"])
    assert done.exit_code == 2 and "give a length like 32K or 32768" in done.output
