"""An export is complete or absent, loads with plain `datasets`, and has the same bytes each time."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
import yaml

from in2_plugin.errors import ConfigError, DatasetError, FolderLocked, TokenizerError
from in2_plugin.io.lock import folder_lock
from in2_plugin.sharing.export import export_dataset
from in2_plugin.sharing.formats import Format
from tests.support.stage_runs import Watched

FORMATS = list(Format)
KILLED = """
import os, signal, sys
from pathlib import Path
from in2_plugin.sharing.export import export_dataset
from in2_plugin.sharing.formats import Format
export_dataset(Path(sys.argv[1]), Format.TOKENIZED, Path(sys.argv[2]), shard_bytes=1,
               on_examples=lambda n: os.kill(os.getpid(), signal.SIGKILL))
"""


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("form", FORMATS)
def test_plain_datasets_loads_it(in_chat, tmp_path, form):
    done = export_dataset(in_chat.folder, form, tmp_path / "out", shard_bytes=20_000)
    assert done.folder == tmp_path / "out"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    n = len(done.shards)
    assert n > 1
    names = {f"data/train-{i:05d}-of-{n:05d}.parquet" for i in range(n)}
    assert set(contents(done.folder)) == {"README.md", "export.json", *names}
    loaded = datasets.load_dataset(str(done.folder))
    assert list(loaded) == ["train"] and len(loaded["train"]) == done.rows
    record = json.loads((done.folder / "export.json").read_text())
    assert (record["to"], record["rows"], len(record["files"])) == (form, done.rows, n)


def test_another_export_of_that_name_is_not_served_from_the_cache(in_chat, in_chatml, tmp_path):
    rows = []
    for shared, place in ((in_chat, "a"), (in_chatml, "b")):
        out = export_dataset(shared.folder, Format.TOKENIZED, tmp_path / place / "out").folder
        rows.append(datasets.load_dataset(str(out), split="train")["input_ids"][0])
    assert rows == [shared.dataset.render(next(shared.dataset.rows())).input_ids.tolist()
                    for shared in (in_chat, in_chatml)]  # fmt: skip


def test_any_number_of_workers_gives_the_same_bytes(in_chat, tmp_path):
    first = export_dataset(in_chat.folder, Format.AXOLOTL, tmp_path / "one", workers=1)
    again = export_dataset(in_chat.folder, Format.AXOLOTL, tmp_path / "two", workers=2)
    assert contents(first.folder) == contents(again.folder)


def test_any_engine_gives_the_same_bytes(in_chat, tmp_path):
    first = export_dataset(in_chat.folder, Format.TOKENIZED, tmp_path / "one")
    watched = Watched()
    again = export_dataset(in_chat.folder, Format.TOKENIZED, tmp_path / "two", engine=watched)
    assert contents(first.folder) == contents(again.folder)
    assert sum(rows.stop - rows.start for rows in watched.asked) == len(in_chat.dataset)
    assert set(watched.needs) == {in_chat.folder / "examples.parquet", *(in_chat.folder / "segments").iterdir()}


@pytest.mark.slow
def test_a_killed_export_does_not_look_complete(in_chat, tmp_path):
    out = tmp_path / "out"
    killed = subprocess.run([sys.executable, "-c", KILLED, in_chat.folder, out], timeout=300, check=False)
    assert killed.returncode == -9
    left = contents(tmp_path)
    assert left and not out.exists()
    assert all(name.startswith("out.part/") for name in left)
    assert {name for name in left if name.endswith(".parquet")} == set()
    done = export_dataset(in_chat.folder, Format.TOKENIZED, out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    assert contents(out) == contents(export_dataset(in_chat.folder, Format.TOKENIZED, tmp_path / "other").folder)
    assert done.rows == len(in_chat.dataset)


def test_an_earlier_export_remains_until_the_new_one_is_complete(in_chat, tmp_path):
    out = tmp_path / "out"
    first = export_dataset(in_chat.folder, Format.MESSAGES, out)
    before = contents(out)

    def interrupt(n: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_dataset(in_chat.folder, Format.TOKENIZED, out, overwrite=True, on_examples=interrupt)
    assert contents(out) == before
    with pytest.raises(ConfigError, match="has an export already; add `--overwrite`, or choose another folder"):
        export_dataset(in_chat.folder, Format.TOKENIZED, out)
    second = export_dataset(in_chat.folder, Format.TOKENIZED, out, overwrite=True)
    assert second.shards != first.shards and sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_progress_reaches_the_number_of_examples(in_chat, tmp_path):
    steps = []
    export_dataset(in_chat.folder, Format.PROMPT_COMPLETION, tmp_path / "out", on_examples=steps.append)
    assert sum(steps) == len(in_chat.dataset)


def test_other_files_are_never_replaced(in_chat, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    export_dataset(in_chat.folder, Format.MESSAGES, out)  # an empty folder is taken
    (out / "LICENSE").write_text("mine")
    with pytest.raises(ConfigError, match=r"contains `LICENSE`, which `in2 export` did not write"):
        export_dataset(in_chat.folder, Format.MESSAGES, out)
    strange = tmp_path / "strange"
    (strange / "data").mkdir(parents=True)
    with pytest.raises(ConfigError, match="is not an export of `in2 export`; choose another folder"):
        export_dataset(in_chat.folder, Format.MESSAGES, strange)
    with pytest.raises(ConfigError, match="is the dataset itself"):
        export_dataset(in_chat.folder, Format.MESSAGES, in_chat.folder)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="contains `file`, which"):
        export_dataset(in_chat.folder, Format.MESSAGES, tmp_path / "file")
    assert (out / "LICENSE").exists() and (tmp_path / "file").read_text() == "mine"


def test_a_read_only_folder_is_an_error(in_chat, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot be written .*; free disk space or choose another folder"):
        export_dataset(in_chat.folder, Format.MESSAGES, tmp_path / "file" / "out")


def test_concurrent_exports_are_refused(in_chat, tmp_path):
    part = tmp_path / "out.part"
    part.mkdir()
    with folder_lock(part), pytest.raises(FolderLocked, match="is in use by process"):
        export_dataset(in_chat.folder, Format.MESSAGES, tmp_path / "out")


def test_prompts_that_are_too_long_are_counted(in_chat, tmp_path):
    whole = export_dataset(in_chat.folder, Format.GRPO, tmp_path / "whole", number_segments=True)
    (note,) = whole.notes
    assert note == "3 conversations without a context are left out, because they have no gold"
    rows = datasets.load_dataset(str(whole.folder), split="train")
    assert "[1] " in rows[0]["prompt"][0]["content"] and len(rows) == whole.rows
    limit = sorted(rows["prompt_tokens"])[-3]
    options = {"number_segments": True, "max_prompt_tokens": limit, "workers": 2}
    done = export_dataset(in_chat.folder, Format.GRPO, tmp_path / "out", **options)
    assert done.notes[-1] == f"{whole.rows - done.rows} prompts longer than {limit} tokens are left out"
    assert "trl grpo --model_name_or_path" in (done.folder / "README.md").read_text()
    with pytest.raises(ConfigError, match="prompts has at most 9 tokens; raise `--max-prompt-tokens`"):
        export_dataset(in_chat.folder, Format.GRPO, tmp_path / "none", max_prompt_tokens=9)
    assert not (tmp_path / "none").exists()
    with pytest.raises(ConfigError, match="need `--to grpo`; add it or remove them"):
        export_dataset(in_chat.folder, Format.TOKENIZED, tmp_path / "none", number_segments=True)


def test_films_form_is_refused_for_messages(in_film, tmp_path):
    with pytest.raises(ConfigError, match=r"`template: film`.*`--to prompt-completion`, `tokenized` or `axolotl`"):
        export_dataset(in_film.folder, Format.MESSAGES, tmp_path / "out")
    assert not any(tmp_path.iterdir())
    done = export_dataset(in_film.folder, Format.PROMPT_COMPLETION, tmp_path / "out")
    row = datasets.load_dataset(str(done.folder), split="train")[0]
    assert row["completion"].endswith("</s>") and row["prompt"].endswith("[/INST]")


def test_a_moved_tokenizer_is_named_on_the_command_line(in_chat, mistral_folder, tmp_path):
    folder = shutil.copytree(in_chat.folder, tmp_path / "in2")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "tokenizer": "/nowhere/model"}))
    with pytest.raises(
        TokenizerError, match=r"built with the tokenizer `/nowhere/model`.*pass its path with `--tokenizer`"
    ):
        export_dataset(folder, Format.MESSAGES, tmp_path / "out")
    moved = shutil.copytree(mistral_folder, tmp_path / "model")
    assert export_dataset(folder, Format.MESSAGES, tmp_path / "out", tokenizer=str(moved)).rows == len(in_chat.dataset)
    with pytest.raises(TokenizerError, match="tokenizer `/elsewhere`: there is no such folder"):
        export_dataset(folder, Format.MESSAGES, tmp_path / "other", tokenizer="/elsewhere")


def test_an_unfinished_dataset_is_refused(in_chat, tmp_path):
    folder = shutil.copytree(in_chat.folder, tmp_path / "in2")
    (folder / "manifest.json").unlink()
    with pytest.raises(DatasetError, match="incomplete IN2 dataset"):
        export_dataset(folder, Format.MESSAGES, tmp_path / "out")


def test_notes_describe_what_a_trainer_does_differently(in_chat, in_chatml, tmp_path):
    def notes(shared, form: Format) -> str:
        return " | ".join(export_dataset(shared.folder, form, tmp_path / "out", overwrite=True).notes)

    assert not notes(in_chat, Format.TOKENIZED) and not notes(in_chat, Format.AXOLOTL)
    assert "messages carry no loss mask" in notes(in_chat, Format.MESSAGES)
    counts = in_chat.dataset.manifest.counts
    repeated = (
        f"one row per question: the contexts of {counts['examples']} examples are repeated for their {counts['turns']}"
    )
    assert notes(in_chat, Format.PROMPT_COMPLETION).startswith(repeated)
    assert "TRL also" not in notes(in_chat, Format.PROMPT_COMPLETION)
    assert r"TRL also trains on '\n', which the chat template adds" in notes(in_chatml, Format.PROMPT_COMPLETION)
    assert r"Note: TRL also trains on '\n'" in (tmp_path / "out/README.md").read_text()


def test_the_card_shows_how_to_train(in_chat, tmp_path):
    out, longest = tmp_path / "out", in_chat.dataset.manifest.longest
    for form, expected in {
        Format.MESSAGES: ["max_length=None, assistant_only_loss=True", "type: chat_template"],
        Format.PROMPT_COMPLETION: ["max_length=None, completion_only_loss=True"],
        Format.TOKENIZED: ["max_length=None)", f"  - path: PATH\nsequence_len: {longest}"],
        Format.AXOLOTL: [f"    type: input_output\nsequence_len: {longest}"],
    }.items():
        export_dataset(in_chat.folder, form, out, overwrite=True)
        card = (out / "README.md").read_text()
        assert all(text in card for text in expected), card
        header = yaml.safe_load(card.split("---\n")[1])
        assert header["configs"][0]["config_name"].startswith(f"{form}-")
