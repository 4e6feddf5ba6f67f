"""Samples tokenized by Axolotl: dropped, truncated and lost rows."""

import json

import datasets
import pytest
from axolotl.loaders import load_tokenizer

from in2_plugin.errors import DatasetError
from in2_plugin.preflight.loading import load_config
from in2_plugin.preflight.sampling import summarize_sample


@pytest.fixture
def sampled(axolotl_file):
    """Return a function that summarizes an entry of `datasets:` under changes of the config."""

    def sample(entry: dict, rows: int = 100, **changes):
        cfg = load_config(axolotl_file(plugins=None, datasets=[entry], **changes))
        return summarize_sample(cfg.datasets[0], cfg, load_tokenizer(cfg), rows)

    return sample


def test_rows_that_fit_are_complete(sampled, chats):
    found = sampled({"path": str(chats), "type": "chat_template"})
    assert (found.examples, found.looked_at, len(found.lengths)) == (60, 60, 60)
    assert (found.dropped, found.cut, found.losing, found.unlabelled, found.refused) == (0, 0, 0, 0, 0)
    assert found.masks_prompt and found.answers.min() > 5 and found.longest == found.lengths.max()


def test_long_rows_are_dropped(sampled, chats):
    found = sampled({"path": str(chats), "type": "chat_template"}, sequence_len=256)
    assert (found.dropped, len(found.lengths), found.cut) == (20, 40, 0)
    assert found.longest > 256 >= found.lengths.max() and found.lost_answer_tokens > 100
    assert found.trained == 40


def test_truncation_removes_answers(sampled, chats):
    entry = {"path": str(chats), "type": "chat_template"}
    found = sampled(entry, sequence_len=256, excess_length_strategy="truncate")
    assert (found.dropped, found.cut, found.losing, found.unlabelled) == (0, 20, 20, 20)
    assert found.lengths.max() == 256


def test_raise_strategy_refuses_rows(sampled, chats):
    found = sampled({"path": str(chats), "type": "chat_template"}, sequence_len=256, excess_length_strategy="raise")
    assert (found.refused, found.dropped, found.longest_row % 3) == (20, 0, 0)


def test_strategy_that_truncates_while_tokenizing(sampled, tmp_path):
    """Axolotl's alpaca strategy truncates the prompt while tokenizing, and the result is truncated again."""
    rows = [{"instruction": "Say it. " * (200 if i < 3 else 2), "input": "", "output": "it"} for i in range(10)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    entry = {"path": str(tmp_path / "rows.jsonl"), "type": "alpaca"}
    found = sampled(entry, sequence_len=256, excess_length_strategy="truncate")
    assert (found.dropped, found.cut, found.losing) == (0, 3, 3) and found.longest > 256


@pytest.mark.parametrize(("sequence_len", "n_rows"), [(2_048, 5), (64, 10)])
def test_type_without_a_prompt(sampled, tmp_path, sequence_len, n_rows):
    """Axolotl's completion type supervises everything and splits long rows."""
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"text": "So it goes. " * 20}) + "\n" for _ in range(5)))
    found = sampled({"path": str(tmp_path / "rows.jsonl"), "type": "completion"}, sequence_len=sequence_len)
    assert not found.masks_prompt and found.answers.sum() == (found.lengths - 1).sum()
    assert (len(found.lengths), found.cut, found.dropped) == (n_rows, 0, 0)


def test_tokenized_rows(sampled, tmp_path):
    rows = [{"input_ids": [1] * n, "attention_mask": [1] * n, "labels": [-100] * (n - 2) + [5, 6]} for n in (8, 30, 50)]
    datasets.Dataset.from_list(rows).save_to_disk(tmp_path / "rows")
    entry = {"path": str(tmp_path / "rows")}
    found = sampled(entry, sequence_len=30, excess_length_strategy="truncate")
    assert (found.cut, found.losing, found.unlabelled, found.lost_answer_tokens) == (1, 1, 1, 2)
    assert found.seen == "3 of 3, evenly spread"


def test_sample_is_extrapolated(sampled, chats):
    found = sampled({"path": str(chats), "type": "chat_template"}, rows=30, sequence_len=256)
    assert (found.examples, found.looked_at, found.dropped) == (60, 30, 10)
    assert found.seen == "the first 30 of 60" and found.trained == pytest.approx(40)


def test_rows_of_parquet_and_slices_are_counted(sampled, chats, tmp_path):
    datasets.load_dataset("json", data_files=str(chats), split="train").to_parquet(tmp_path / "folder/rows.parquet")
    found = sampled({"path": str(tmp_path / "folder"), "type": "chat_template"}, rows=10)
    assert (found.examples, found.seen) == (60, "the first 10 of 60")
    found = sampled({"path": str(chats), "type": "chat_template", "split": "train[:40]"}, rows=10)
    assert found.seen == "10 of 40, evenly spread"


@pytest.mark.parametrize(
    "entry",
    [{"path": "no-such-file.jsonl", "type": "chat_template"}, {"path": "CHATS", "type": "no_such_type"}],
)
def test_axolotl_errors_are_one_sentence(sampled, chats, entry):
    with pytest.raises(DatasetError) as refused:
        sampled({**entry, "path": entry["path"].replace("CHATS", str(chats))})
    assert "Axolotl cannot prepare it: " in str(refused.value) and "\n" not in str(refused.value)
