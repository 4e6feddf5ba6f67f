"""Run the other val_probe groups with the real lm_eval: lengths, closed book, matrix, the authors' own data."""

import json
from pathlib import Path

import pytest

from in2_plugin.probing.probes.matrix import MATRIX
from in2_plugin.probing.probes.registry import PROBES
from in2_plugin.probing.scoring.curves import curve_from_positions
from in2_plugin.probing.scoring.scores import scores_from_text
from tests.support.e2e_run import ROOT, run
from tests.support.tiny_model import save_tiny_mistral

pytestmark = [pytest.mark.slow, pytest.mark.e2e_full]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_tiny_mistral(tmp_path_factory.mktemp("val_tasks") / "model", window=4_096)


def lm_eval(
    python: str, model: Path, out: Path, tasks: str, metadata: dict | None = None, *more: object
) -> tuple[str, dict]:
    """Run lm_eval and return its output and its results file."""
    arguments = [
        python, "-m", "lm_eval", "--model", "hf", "--model_args", f"pretrained={model},dtype=float32", "--device",
        "cpu", "--batch_size", 8, "--include_path", ROOT / "lm_eval_tasks", "--tasks", tasks, "--output_path", out,
        *(["--metadata", json.dumps(metadata)] if metadata else []), *more,
    ]  # fmt: skip
    said = run(*arguments, cwd=out.parent)
    (path,) = out.rglob("results_*.json")
    return said, json.loads(path.read_text())


def test_tasks_by_length(lm_eval_python, model, tmp_path):
    said, found = lm_eval(
        lm_eval_python, model, tmp_path / "out", "val_probe_4k", None, "--limit", 4, "--gen_kwargs", "max_gen_toks=4"
    )
    assert set(found["results"]) == {"val_probe_4k", *(f"val_probe_{kind}_4k" for kind in PROBES)}
    assert found["configs"]["val_probe_code_4k"]["metadata"]["probe_length"] == 4_096
    assert "scores_stderr" not in said and "|echo" in said
    for name, kind in PROBES.items():
        numbers = found["results"][f"val_probe_{name}_4k"]
        sets = scores_from_text(numbers["scores_stderr,none"])
        assert sum(len(one.scores) for one in sets) == 4 and all(one.n_positions > 40 for one in sets)
        rows = [
            (s, p, one.n_positions, one.set) for one in sets for s, p in zip(one.scores, one.positions, strict=True)
        ]
        again = curve_from_positions(rows, kind.spans)
        assert (again.avg, again.gap) == pytest.approx((numbers["avg,none"], numbers["gap,none"]), abs=1e-4)
        assert numbers["other,none"] < 0.2 and (numbers["echo,none"] > 0.3) == (name == "document")


def test_closed_book_and_matrix(lm_eval_python, model, tmp_path):
    metadata = {"probe_length": 700, "probe_sets": 2, "probe_spans": 3}
    tasks = "val_probe_closed_book,val_probe_matrix"
    more = ("--limit", 3, "--gen_kwargs", "max_gen_toks=4", "--log_samples")
    _, found = lm_eval(lm_eval_python, model, tmp_path / "out", tasks, metadata, *more)
    closed = [f"val_probe_closed_book_{kind}" for kind in PROBES]
    cells = [f"val_probe_{cell}" for cell in MATRIX]
    assert set(found["results"]) == {"val_probe_closed_book", "val_probe_matrix", *closed, *cells}
    prompts = {}
    for task in (*closed, *cells):
        (path,) = (tmp_path / "out").rglob(f"samples_{task}_*.jsonl")
        prompts[task] = [json.loads(line)["arguments"]["gen_args_0"]["arg_0"] for line in path.read_text().splitlines()]
    assert all("### Context" not in prompt and "above context" in prompt for task in closed for prompt in prompts[task])
    assert all("### Context" in prompt for task in cells for prompt in prompts[task])
    assert all(found["results"][task]["echo,none"] == 0 for task in cells)


def published(folder: Path) -> Path:
    """Write a small copy of the authors' data: two contexts of 150 entities, FILM's template, one ambiguous id."""
    rows = []
    for set_id in range(2):
        label = {i: f"label of thing {set_id} {i}" for i in range(150)}
        ids = {i: f"Q{set_id}{i:03d}" for i in range(150)}
        ids[149] = ids[3]
        context = "\n".join(f"<id: {ids[i]}, label: {label[i]}, description: it is number {i}>" for i in range(150))
        for i in range(150):
            question = f"In above context , what is the label and description for the query where the id is {ids[i]} ?"
            prompt = (
                "[INST] Below is a context and an instruction. Based on the information provided in the context, "
                "write a response for the instruction.\n\n"
                f"### Context:\n{context}\n\n### Instruction:\n{question} [/INST]"
            )
            rows.append({"prompt": prompt, "completion": " ", "label": label[i], "description": f"it is number {i}",
                         "position_id": i, "set_id": set_id})  # fmt: skip
    folder.mkdir()
    (folder / "database_forward_32k.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def test_the_authors_own_data(lm_eval_python, model, tmp_path):
    folder = published(tmp_path / "data")
    metadata = {"probe_data": str(folder), "probe_spans": 5}
    more = ("--limit", 6, "--gen_kwargs", "max_gen_toks=4", "--log_samples")
    window = ("--model_args", f"pretrained={model},dtype=float32,max_length=16384")
    _, found = lm_eval(lm_eval_python, model, tmp_path / "out", "val_probe_paper_database", metadata, *more, *window)
    numbers = found["results"]["val_probe_paper_database"]
    assert {"avg,none", "gap,none", "avg_paper,none", "gap_paper,none"} < set(numbers)
    (path,) = (tmp_path / "out").rglob("samples_*.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    given = {(row["position_id"], row["set_id"]): row["prompt"]
             for row in map(json.loads, (folder / "database_forward_32k.jsonl").read_text().splitlines())}  # fmt: skip
    for row in rows:
        assert row["arguments"]["gen_args_0"]["arg_0"] == given[row["doc"]["position"], row["doc"]["set"]]
        assert row["doc"]["ambiguous"] == (row["doc"]["position"] in (3, 149))
