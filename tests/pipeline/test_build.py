import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from in2_plugin.config import load_build_config
from in2_plugin.corpus.screening.document_digests import read_digests, write_digests
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.dataset.build_record import BuildFileChange
from in2_plugin.dataset.reader import IN2Dataset, read_manifest
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import ConfigError, CorpusError, NotEnoughQuestions, NotEnoughSegments, TokenizerMismatch
from in2_plugin.inspection.doctor.run import examine
from in2_plugin.inspection.status import read_status
from in2_plugin.pipeline.array_job import ArrayJob
from in2_plugin.pipeline.build import _require_places, build_dataset
from tests.support.builds import Quiet, small_config

FILES = [
    "build.json", "manifest.json", "README.md", "questions.parquet", "rejected.parquet", "instructions.parquet",
    "examples.parquet", "documents.parquet", "audit.json", "report.html",
]  # fmt: skip
STORE = ["segments.arrow", "documents.arrow", "ids.bin", "offsets.bin", "store.json", "exclusions.parquet"]
FEW = {"corpus": {"sources": [{"path": "bundled:python-docs", "limit": 100}]}}
TINY = {"mixture": {"fine_grained": 5, "integration": 0, "short_context": 0}, "lengths": {"min": 300, "max": 600}}


def bytes_of(folder: Path) -> dict[str, bytes]:
    paths = [*FILES, *(f"segments/{name}" for name in STORE)]
    # the manifest, the card and build.json say where the dataset is; everything else must not know
    return {path: (folder / path).read_bytes().replace(str(folder).encode(), b"FOLDER") for path in paths}


def test_the_same_build_file_gives_the_same_bytes(built, mistral_folder, tmp_path):
    build_dataset(small_config(tmp_path / "again", mistral_folder), Quiet())
    first, second = bytes_of(built), bytes_of(tmp_path / "again")
    assert [name for name in first if first[name] != second[name]] == []


@pytest.mark.slow
@pytest.mark.parametrize("workers", [pytest.param(2, marks=pytest.mark.e2e_full), 8])
def test_the_number_of_workers_changes_no_byte(built, mistral_folder, tmp_path, workers):
    build_dataset(small_config(tmp_path / "in2", mistral_folder, workers=workers), Quiet())
    first, second = bytes_of(built), bytes_of(tmp_path / "in2")
    unequal = [name for name in first if first[name] != second[name]]
    # these two and the manifest hold the build file, with its `workers`
    assert set(unequal) <= {"build.json", "manifest.json", "README.md"}


def test_another_seed_gives_other_examples(built, mistral_folder, tmp_path):
    build_dataset(small_config(tmp_path / "other", mistral_folder, seed=7), Quiet())
    assert (tmp_path / "other/examples.parquet").read_bytes() != (built / "examples.parquet").read_bytes()


def test_counts_are_those_of_the_mixture(built):
    manifest = read_manifest(built)
    parts = [manifest.counts[part] for part in ("fine_grained", "integration", "short_context")]
    assert parts == [70, 30, 30]
    assert manifest.examples == manifest.counts["turns"] == 130
    short = [row for row in read_rows(built / "examples.parquet") if row["part"] == "short_context"]
    kinds = Counter(row["turns"][0]["kind"] for row in short)
    assert kinds == {"fine_grained": 21, "integration": 9}  # as the long parts
    assert 512 <= manifest.longest <= 2_048


def test_a_complete_dataset_is_left_alone(built, mistral_folder):
    before = (built / "manifest.json").stat().st_mtime_ns
    progress = Quiet()
    build_dataset(small_config(built, mistral_folder), progress)
    assert progress.stages == []
    assert (built / "manifest.json").stat().st_mtime_ns == before


def test_its_own_record_is_a_build_file_of_the_same_dataset(built):
    progress = Quiet()
    build_dataset(load_build_config(built / "build.json"), progress)
    assert progress.stages == []


def test_a_changed_build_file_is_refused_by_name(built, mistral_folder):
    changed = small_config(built, mistral_folder, lengths={"min": 512, "max": 4_096})
    with pytest.raises(ConfigError) as caught:
        build_dataset(changed, Quiet())
    assert "was built with `lengths.max: 2048`, but the build file now has `lengths.max: 4096`" in str(caught.value)
    assert read_manifest(built).longest <= 2_048


def test_restart_replaces(mistral_folder, tmp_path):
    folder = tmp_path / "in2"
    build_dataset(small_config(folder, mistral_folder, **FEW, **TINY), Quiet())
    manifest = build_dataset(
        small_config(folder, mistral_folder, **FEW, **TINY, seed=9), Quiet(), change=BuildFileChange.RESTART
    )
    assert manifest.build["seed"] == 9
    assert read_manifest(folder).build["seed"] == 9


def test_a_tokenizer_that_changed_under_its_name_is_noticed(built, mistral_folder, qwen_folder, tmp_path):
    model, folder = tmp_path / "model", tmp_path / "in2"
    shutil.copytree(mistral_folder, model)
    shutil.copytree(built, folder)
    (folder / "build.json").write_text(json.dumps(small_config(folder, model).model_dump(mode="json")))
    build_dataset(small_config(folder, model), Quiet())
    shutil.copytree(qwen_folder, model, dirs_exist_ok=True)
    for unfinished in (False, True):
        if unfinished:
            (folder / "manifest.json").unlink()
        with pytest.raises(TokenizerMismatch, match=r"was built (with|for) .*run `in2 build --restart`"):
            build_dataset(small_config(folder, model), Quiet())


def test_a_place_that_cannot_be_written_is_one_sentence(mistral_folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be created"):
        build_dataset(small_config(tmp_path / "file/in2", mistral_folder), Quiet())


def test_a_build_that_failed_before_any_stage_may_be_corrected(mistral_folder, tmp_path):
    wrong = small_config(tmp_path / "in2", mistral_folder, corpus={"sources": ["nothere.txt"]})
    with pytest.raises(CorpusError, match="no such file"):
        build_dataset(wrong, Quiet())
    assert build_dataset(small_config(tmp_path / "in2", mistral_folder, **FEW, **TINY), Quiet()).examples == 5


def test_a_folder_of_something_else_is_not_touched(mistral_folder, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match="not empty and not an IN2 dataset"):
        build_dataset(small_config(tmp_path, mistral_folder), Quiet())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thesis.tex"]


def test_a_shortfall_is_an_error_and_leaves_no_manifest(mistral_folder, tmp_path):
    config = small_config(
        tmp_path / "in2", mistral_folder, **FEW, mixture={"fine_grained": 0, "integration": 10**6, "short_context": 0}
    )
    with pytest.raises(NotEnoughQuestions, match="too few") as failure:
        build_dataset(config, Quiet())
    assert not (tmp_path / "in2/manifest.json").exists()
    (error,) = [found for found in examine(tmp_path / "in2").findings if found.is_error]
    assert error.what == f"stopped: {failure.value}"


def test_jobs_that_fail_together_keep_an_error_each(mistral_folder, tmp_path, monkeypatch):
    from in2_plugin.pipeline import build as building

    failing = iter([CorpusError("one"), CorpusError("two"), CorpusError("again"), CorpusError("whole")])

    def fail(run):
        raise next(failing)

    monkeypatch.setattr(building, "_build", fail)
    config, parts = small_config(tmp_path / "in2", mistral_folder), tmp_path / "in2/parts"
    kept = []
    for job in (ArrayJob(1, 2), ArrayJob(2, 2), ArrayJob(1, 2), ArrayJob()):
        with pytest.raises(CorpusError):
            build_dataset(config, Quiet(), array_job=job)
        kept.append({path.name: path.read_text() for path in parts.glob("stopped*")})
    assert kept == [
        {"stopped-1-of-2.txt": "one"},
        {"stopped-1-of-2.txt": "one", "stopped-2-of-2.txt": "two"},
        {"stopped-1-of-2.txt": "again", "stopped-2-of-2.txt": "two"},
        {"stopped.txt": "whole"},
    ]


def test_an_error_is_shown_even_where_it_cannot_be_kept(mistral_folder, tmp_path):
    (tmp_path / "in2/parts/stopped.txt.part").mkdir(parents=True)
    with pytest.raises(CorpusError, match="no such file"):
        build_dataset(small_config(tmp_path / "in2", mistral_folder, corpus={"sources": ["nothere.txt"]}), Quiet())


def test_retokenised_examples_are_the_same_plans(built, mistral_folder, tmp_path, monkeypatch):
    """The fall-back: when joined ids turn out wrong, every example is tokenized as a whole."""
    from in2_plugin.pipeline import build as building

    verdicts = iter([False, True])
    monkeypatch.setattr(building, "_ids_are_those_of_text", lambda *_: next(verdicts))
    progress = Quiet()
    manifest = build_dataset(small_config(tmp_path / "in2", mistral_folder), progress)
    assert manifest.joining == "retokenize"
    assert any("tokenized as a whole" in line for line in progress.lines)
    assert json.loads((tmp_path / "in2/segments/store.json").read_text())["joining"] == "retokenize"
    assert (tmp_path / "in2/examples.parquet").read_bytes() == (built / "examples.parquet").read_bytes()


def chinese_text(document: int) -> str:
    """A page of Chinese sentences that differ from each other, on lines of several sentences."""
    places, people = "北京上海广州成都西安杭州", "王李张刘陈杨"
    lines = []
    for line in range(12):
        i = document * 12 + line
        place = places[i % 6 * 2 : i % 6 * 2 + 2]
        lines.append(
            f"第{i}天早上，{people[i % 6]}老师从{place}出发，带着{i + 3}本旧书去看望住在山那边的朋友。"
            f"路上他遇到{i % 7 + 2}个卖水果的商人，每个人都告诉他编号{i * 7}的桥已经修好了，可以放心地走过去。"
            # the answer must not stand everywhere, or nothing is left to fill with
            f"到了晚上，朋友请他喝了第{i * 3}号茶园的新茶，"
            f"两个人谈起第{i * 11}年的日子，谈到{i * 13}号灯塔的月亮升到屋顶上面才睡。"
        )
    return "\n".join(lines)


def test_a_chinese_corpus_of_ones_own_files(qwen_folder, qwen, tmp_path):
    for number in range(12):
        (tmp_path / "texts").mkdir(exist_ok=True)
        (tmp_path / f"texts/{number}.txt").write_text(chinese_text(number), encoding="utf-8")
    config = small_config(
        tmp_path / "in2", qwen_folder, corpus={"sources": [str(tmp_path / "texts")], "segment_tokens": 128},
        mixture={"fine_grained": 30, "integration": 8, "short_context": 0}, lengths={"min": 1_200, "max": 4_000},
    )  # fmt: skip
    manifest = build_dataset(config, Quiet())
    assert (manifest.counts["fine_grained"], manifest.counts["integration"]) == (30, 8)
    dataset = IN2Dataset(tmp_path / "in2", qwen)
    for row in read_rows(tmp_path / "in2/examples.parquet"):
        rendered = dataset.render(row)
        (turn,) = row["turns"]
        answer = qwen.decode(rendered.input_ids[slice(*rendered.answers[0])].tolist())
        assert answer == turn["answer"] + "<|im_end|>"
        segments = [dataset.store.text(i) for i in row["segment_ids"]]
        if turn["form"] == "sentence_with":
            assert sum(turn["answer"] in segment for segment in segments) == 1


def test_several_questions_share_a_context(mistral_folder, mistral, tmp_path):
    mixture = {"fine_grained": 60, "integration": 6, "short_context": 4}
    config = small_config(tmp_path / "in2", mistral_folder, mixture=mixture, questions_per_context=3)
    manifest = build_dataset(config, Quiet())
    assert manifest.counts["turns"] == 70
    assert manifest.counts["fine_grained"] <= 24
    dataset = IN2Dataset(tmp_path / "in2", mistral)
    for row in dataset.rows():
        text = mistral.decode(dataset.render(row).input_ids.tolist())
        assert all(turn["answer"] in text for turn in row["turns"])
        golds = [span["segment_id"] for turn in row["turns"] for span in turn["gold"]]
        assert len(set(golds)) == len(golds) and set(golds) <= set(row["segment_ids"])
        assert len({turn["document"] for turn in row["turns"]}) == len(row["turns"])


def test_positions_that_contexts_cannot_hold_are_an_error_before_the_first_question(mistral_folder, tmp_path):
    config = small_config(tmp_path / "in2", mistral_folder, positions="edges", questions_per_context=4)
    with pytest.raises(NotEnoughSegments, match="`positions: edges` has 2 places in a context of"):
        build_dataset(config, Quiet())
    assert not (tmp_path / "in2/questions.parquet").exists()
    possible = {"lengths": {"min": 4_500, "max": 5_000}, "mixture": {"fine_grained": 60, "integration": 0}}
    config = small_config(tmp_path / "in2", mistral_folder, positions="edges", questions_per_context=4, **possible)
    build_dataset(config, Quiet(), BuildFileChange.EXTEND)
    assert not (tmp_path / "in2/parts").exists()
    for row in read_rows(tmp_path / "in2/examples.parquet"):
        golds = {span["segment_id"] for turn in row["turns"] for span in turn["gold"]}
        depths = [
            (i + 0.5) / len(row["segment_ids"]) for i, segment in enumerate(row["segment_ids"]) if segment in golds
        ]
        assert len(depths) == len(row["turns"]) and all(min(depth, 1 - depth) <= 0.1 for depth in depths)


def test_contexts_need_places_for_two_golds_per_integration_question(tmp_path):
    store = SimpleNamespace(n_tokens=np.full(9, 128), usable=np.ones(9, bool))
    asked = {"positions": "middle", "questions_per_context": 4, "lengths": {"min": 4_096, "max": 8_192}}
    _require_places(small_config(tmp_path, tmp_path, mixture={"fine_grained": 9, "integration": 0}, **asked), store)
    with pytest.raises(NotEnoughSegments, match="its 8 gold segments"):
        _require_places(small_config(tmp_path, tmp_path, mixture={"fine_grained": 9, "integration": 3}, **asked), store)


@pytest.mark.parametrize(("strategy", "lowest", "highest"), [("edges", 0.0, 0.0), ("middle", 1.0, 1.0)])
def test_positions_for_ablations(mistral_folder, tmp_path, strategy, lowest, highest):
    mixture = {"fine_grained": 60, "integration": 0, "short_context": 0}
    config = small_config(
        tmp_path / "in2", mistral_folder, mixture=mixture, positions=strategy, lengths={"min": 1_500, "max": 2_048}
    )
    build_dataset(config, Quiet())
    rows = list(read_rows(tmp_path / "in2/examples.parquet"))
    depths = [
        (row["segment_ids"].index(row["turns"][0]["gold"][0]["segment_id"]) + 0.5) / len(row["segment_ids"])
        for row in rows
    ]
    assert lowest <= sum(0.4 <= depth <= 0.6 for depth in depths) / len(depths) <= highest


def test_extending_the_mixture_keeps_the_segments(mistral_folder, tmp_path):
    build_dataset(small_config(tmp_path / "in2", mistral_folder, **FEW, **TINY), Quiet())
    more = {**FEW, **TINY, "mixture": {"fine_grained": 8, "integration": 2, "short_context": 1}, "positions": "shuffle"}
    progress = Quiet()
    manifest = build_dataset(small_config(tmp_path / "in2", mistral_folder, **more), progress, BuildFileChange.EXTEND)
    assert manifest.counts["turns"] == 11
    assert not any("cutting" in stage or "comparing" in stage for stage in progress.stages)


RECORDS = {
    "corpus": {"sources": ["nowhere.jsonl"], "segment_tokens": 64, "decontamination": {"ngram": None}},
    "mixture": {"fine_grained": 0, "integration": 0, "short_context": 0, "records": 40},
    "lengths": {"min": 400, "max": 800},
    "questions_per_context": 2,
}


def test_records_alone_need_no_corpus(mistral_folder, mistral, tmp_path):
    progress = Quiet()
    manifest = build_dataset(small_config(tmp_path / "in2", mistral_folder, **RECORDS), progress)
    assert manifest.counts["records"] == manifest.examples == 20
    assert manifest.counts["turns"] == 40
    assert manifest.counts["record_segments"] == manifest.counts["segments"] == 128
    assert any(line.startswith("40 questions by records/1; 0 rejected") for line in progress.lines)
    card = (tmp_path / "in2/README.md").read_text()
    assert "| invented records | 64 lists, 128 segments |" in card and "| corpus |" not in card
    assert read_status(tmp_path / "in2").segments | {"tokens": 0} == {
        "documents": 0, "segments": 128, "tokens": 0, "record_segments": 128,
    }  # fmt: skip
    assert "license: []" not in card and "| invented records | none needed |" in card and "nowhere" not in card[:2_000]
    assert not examine(tmp_path / "in2").findings
    dataset = IN2Dataset(tmp_path / "in2", mistral)
    for row in read_rows(tmp_path / "in2/examples.parquet"):
        text = " ".join(dataset.store.texts(row["segment_ids"]))
        asked = [one for turn in row["turns"] for one in re.split(", |; | and ", turn["answer"])]
        assert all(text.count(one) == 1 for one in asked)  # two records are joined in an answer
    audit = json.loads((tmp_path / "in2/audit.json").read_text())
    assert audit["data"]["parts"][-1] == {"part": "records", "have": 40, "asked": 40}


def test_extending_by_records_gives_the_bytes_of_a_new_build(mistral_folder, tmp_path):
    without = {**FEW, **TINY}
    build_dataset(small_config(tmp_path / "in2", mistral_folder, **without), Quiet())
    assert "records" not in json.loads((tmp_path / "in2/build.json").read_text())["mixture"]
    assert "record_segments" not in json.loads((tmp_path / "in2/segments/store.json").read_text())
    assert len(json.loads((tmp_path / "in2/audit.json").read_text())["data"]["parts"]) == 4
    more = {**without, "mixture": {**TINY["mixture"], "records": 8}}
    build_dataset(small_config(tmp_path / "in2", mistral_folder, **more), Quiet(), BuildFileChange.EXTEND)
    build_dataset(small_config(tmp_path / "new", mistral_folder, **more), Quiet())
    first, second = bytes_of(tmp_path / "in2"), bytes_of(tmp_path / "new")
    differ = [name for name in first if first[name] != second[name]]
    assert set(differ) <= {"build.json", "manifest.json", "README.md"}


CHILD = """
import sys
from tests.support.builds import Quiet, small_config
from in2_plugin.pipeline.build import build_dataset
print("started", flush=True)
class Loud(Quiet):
    def stage(self, name, total, detail=None):
        print(name, flush=True)
        return super().stage(name, total, detail)
build_dataset(small_config(sys.argv[1], sys.argv[2]), Loud())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "stage",
    [
        "writing fine-grained",
        *(
            pytest.param(stage, marks=pytest.mark.e2e_full)
            for stage in ("cutting documents", "writing integration", "placing")
        ),
    ],
)
def test_a_killed_build_is_finished_by_the_next(built, mistral_folder, tmp_path, stage):
    folder = tmp_path / "in2"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(mistral_folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    for line in child.stdout:
        if line.startswith(stage):
            break
    time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (folder / "manifest.json").exists()
    progress = Quiet()
    build_dataset(small_config(folder, mistral_folder), progress)
    kept = [line for line in progress.lines if line.startswith("resuming, with these kept: ")]
    if stage.startswith("writing"):
        assert len(kept) == 1 and "segments, screening" in kept[0]
    assert not any("0 finished shards" in line for line in kept)
    first, second = bytes_of(built), bytes_of(folder)
    assert [name for name in first if first[name] != second[name]] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"corpus": {"sources": ["s3://key:secret@bucket/text"]}},
        {"ray": {"storage": "s3://key:secret@bucket/in2"}},
        {"corpus": {"decontamination": {"sources": ["s3://key:secret@bucket/exam.jsonl"]}}},
    ],
)
def test_a_key_in_an_address_is_refused_before_it_is_written_down(mistral_folder, tmp_path, changes):
    with pytest.raises(CorpusError) as refusal:
        build_dataset(small_config(tmp_path / "in2", mistral_folder, **changes), Quiet())
    assert "secret" not in str(refusal.value)
    assert not (tmp_path / "in2").exists()


def test_datasets_share_no_document_with_a_folder_of_against(built, mistral_folder, tmp_path):
    moved = shutil.copytree(built, tmp_path / "first")

    def config(path: Path):
        corpus = {"sources": [{"path": "bundled:python-docs", "limit": 700}], "decontamination": {"against": str(path)}}
        return small_config(tmp_path / "in2", mistral_folder, corpus=corpus, **TINY)

    progress = Quiet()
    build_dataset(config(built), progress)
    first, second = (read_digests(folder / "documents.parquet") for folder in (built, tmp_path / "in2"))
    assert second and not first & second
    assert any(
        "documents left out because a folder of `decontamination.against` has them" in one for one in progress.lines
    )
    assert read_manifest(tmp_path / "in2").build["corpus"]["decontamination"]["against"][0]["content"]
    # the same content at another path is the same build; another content is not
    build_dataset(config(moved), progress)
    assert progress.lines[-1].endswith("is already complete")
    write_digests(moved / "documents.parquet", SegmentStore(built / "segments"), np.array([0], np.uint32))
    with pytest.raises(ConfigError, match=r"was built with `corpus\.decontamination\.against\.content: "):
        build_dataset(config(moved), progress)


def test_a_complete_dataset_of_an_earlier_version_gets_its_documents(built, mistral_folder, tmp_path):
    copy = shutil.copytree(built, tmp_path / "in2")
    (copy / "documents.parquet").unlink()
    record = copy / "build.json"
    record.write_text(record.read_text().replace(str(built), str(copy)))
    build_dataset(small_config(copy, mistral_folder), Quiet())
    assert (copy / "documents.parquet").read_bytes() == (built / "documents.parquet").read_bytes()
