"""The real `axolotl`, started as a user starts it, on the CPU."""

import json
import re
from pathlib import Path

import datasets
import pytest
import yaml
from transformers import AutoTokenizer

from in2_plugin.corpus.screening.document_digests import read_digests
from in2_plugin.dataset.reader import read_manifest, revision_of
from in2_plugin.dataset.tables import read_rows
from in2_plugin.training.axolotl.plugins import loaded_unlisted
from tests.support.e2e_run import run

pytestmark = pytest.mark.slow

CONFIG = {
    "base_model": "model",
    "plugins": ["in2_plugin.axolotl.IN2Plugin"],
    "datasets": [{"path": "data/in2", "type": "in2"}],
    "dataset_prepared_path": "prepared",
    "output_dir": "out",
    "sequence_len": 512,
    "micro_batch_size": 2,
    "max_steps": 4,
    "save_steps": 2,
    "logging_steps": 1,
    "learning_rate": 0.002,
    "optimizer": "adamw_torch",
    "attn_implementation": "sdpa",
    "bf16": False,
    "fp16": False,
    "seed": 42,
    "dataset_num_proc": 1,
}
NOT_LAZY = {"lazy": False}
PREPROCESS = ("axolotl", "preprocess", "config.yml", "--debug-num-examples", "0")
TRAIN = ("axolotl", "train", "config.yml")
DOCUMENTS = "data/in2/documents.parquet"


class RunFolder:
    """A folder with links to the workshop's model and data, in which `config.yml` is written and used."""

    def __init__(self, path: Path, workshop: Path) -> None:
        self.path = path
        for name in ("model", "data"):
            (path / name).symlink_to(workshop / name)

    def configure(self, **changes) -> "RunFolder":
        """Write the config with changes; a value of None removes a key."""
        config = {key: value for key, value in {**CONFIG, **changes}.items() if value is not None}
        (self.path / "config.yml").write_text(yaml.safe_dump(config))
        return self

    def run(self, *command: object, ok: bool = True) -> str:
        return run(*command, cwd=self.path, ok=ok)

    def prepared(self) -> datasets.Dataset:
        (path,) = (self.path / "prepared").glob("*/state.json")
        return datasets.load_from_disk(str(path.parent))

    def losses(self, output: str = "out") -> dict[int, float]:
        """Return the logged loss by step, from the last checkpoint."""
        return self.logged("loss", output)

    def logged(self, name: str, output: str = "out") -> dict[int, float]:
        """Return a logged figure by step, from the last checkpoint."""
        states = self.path.glob(f"{output}/checkpoint-*/trainer_state.json")
        last = max(states, key=lambda path: int(path.parent.name.removeprefix("checkpoint-")))
        entries = json.loads(last.read_text())["log_history"]
        return {entry["step"]: entry[name] for entry in entries if name in entry}

    def supervised_texts(self) -> list[str]:
        """Return the decoded supervised tokens of each prepared row, sorted."""
        tokenizer = AutoTokenizer.from_pretrained(self.path / "model")
        texts = []
        for row in self.prepared():
            assert all(label in (-100, token) for token, label in zip(row["input_ids"], row["labels"], strict=True))
            texts.append(tokenizer.decode([label for label in row["labels"] if label != -100]))
        return sorted(texts)

    def answers(self) -> list[str]:
        """Return the expected supervised text of each example, sorted."""
        rows = read_rows(self.path / "data/in2/examples.parquet")
        return sorted("".join(f" {turn['answer']}</s>" for turn in row["turns"]) for row in rows)


@pytest.fixture
def folder(workshop, tmp_path) -> RunFolder:
    return RunFolder(tmp_path, workshop)


@pytest.fixture(scope="module")
def lazy(workshop, tmp_path_factory) -> tuple[RunFolder, str]:
    """A lazy training run of four steps, and its output."""
    folder = RunFolder(tmp_path_factory.mktemp("lazy"), workshop).configure()
    return folder, folder.run(*TRAIN)


@pytest.fixture(scope="module")
def prepared(workshop, tmp_path_factory) -> tuple[RunFolder, str]:
    """A dataset prepared by `axolotl preprocess`, and its output."""
    folder = RunFolder(tmp_path_factory.mktemp("prepared"), workshop).configure(in2=NOT_LAZY)
    return folder, folder.run(*PREPROCESS)


def test_lazy_training_prepares_nothing_and_logs_loss_by_depth(lazy):
    folder, output = lazy
    assert sorted(folder.losses()) == [1, 2, 3, 4]
    assert not (folder.path / "prepared").exists()
    assert "logits are computed only at answer tokens" in output
    assert "in2/loss_depth_" in output
    documents = [read_digests(folder.path / name) for name in ("out/in2_documents.parquet", DOCUMENTS)]
    assert documents[0] == documents[1]


@pytest.mark.e2e_full
def test_resumed_lazy_training_takes_the_same_steps(lazy):
    folder, _ = lazy
    folder.configure(resume_from_checkpoint="out/checkpoint-2", output_dir="resumed")
    folder.run(*TRAIN, "--launcher", "python")
    assert folder.losses("resumed") == pytest.approx(folder.losses(), abs=1e-6)


@pytest.mark.e2e_full
def test_preprocess_supervises_only_answers(prepared):
    folder, output = prepared
    assert folder.supervised_texts() == folder.answers()
    assert re.search(r"all [\d,]+ answer tokens of [\d,]+ tokens are supervised", output)


@pytest.mark.e2e_full
def test_training_on_prepared_examples_resumes_with_the_same_steps(prepared):
    folder, _ = prepared
    output = folder.configure(in2=NOT_LAZY).run(*TRAIN)
    assert sorted(folder.losses()) == [1, 2, 3, 4]
    assert "logits are computed only at answer tokens" in output and "in2/loss_depth_" not in output
    folder.configure(in2=NOT_LAZY, resume_from_checkpoint="out/checkpoint-2", output_dir="resumed")
    folder.run(*TRAIN, "--launcher", "python")
    assert folder.losses("resumed") == pytest.approx(folder.losses(), abs=1e-6)


@pytest.mark.e2e_full
def test_dotted_type_works_without_the_plugin(folder):
    entry = {"path": "data/in2", "type": "in2_plugin.axolotl", "revision": revision_of(folder.path / "data/in2")}
    folder.configure(plugins=None, datasets=[entry], in2=NOT_LAZY if loaded_unlisted() else None).run(*PREPROCESS)
    assert len(folder.prepared()) == len(folder.answers())


@pytest.mark.e2e_full
def test_preprocess_writes_nothing_for_lazy_examples(folder):
    output = folder.configure().run(*PREPROCESS)
    assert re.search(r"in2: \d+ examples are assembled when the trainer reads them; nothing is prepared", output)
    assert not (folder.path / "prepared").exists()


@pytest.mark.e2e_full
def test_sample_packing_trains_on_the_same_answers(folder):
    packed = {"sample_packing": True, "sequence_len": 1_024, "pad_to_sequence_len": True, "max_steps": 2}
    folder.configure(**packed, in2=NOT_LAZY).run(*PREPROCESS)
    assert "position_ids" in folder.prepared().column_names
    assert folder.supervised_texts() == folder.answers()
    folder.run(*TRAIN, "--launcher", "python")
    assert sorted(folder.losses()) == [1, 2]


@pytest.mark.e2e_full
@pytest.mark.parametrize("in2", [{}, NOT_LAZY])
def test_packed_run_reads_every_example_in_each_epoch_and_resumes_within_one(folder, in2):
    packed = {"sample_packing": True, "sequence_len": 1_024, "micro_batch_size": 1, "gradient_accumulation_steps": 2,
              "max_steps": None, "num_epochs": 2, "save_steps": 5, "in2": in2}  # fmt: skip
    folder.configure(**packed).run(*TRAIN, "--launcher", "python")
    whole = folder.losses()
    n_packed = len(whole) // 2
    assert len(whole) % 2 == 0 and 5 % n_packed  # the checkpoint is within an epoch
    folder.configure(**packed, output_dir="resumed", resume_from_checkpoint="out/checkpoint-5")
    folder.run(*TRAIN, "--launcher", "python")
    assert folder.losses("resumed") == pytest.approx(whole, abs=1e-6)
    for output in ("out", "resumed") if in2 == {} else ():
        tokens = folder.logged("in2/answer_tokens_per_step", output)
        expected = read_manifest(folder.path / "data/in2").counts["answer_tokens"]
        for epoch in (0, 1):
            steps = range(epoch * n_packed + 1, (epoch + 1) * n_packed + 1)
            assert sum(tokens[step] for step in steps) == expected


@pytest.mark.e2e_full
def test_lazy_examples_are_packed_and_held_out(folder):
    folder.configure(sample_packing=True, sequence_len=1_024, micro_batch_size=1, val_set_size=8, eval_steps=2,
                     dataloader_num_workers=1, max_steps=2)  # fmt: skip
    output = folder.run(*TRAIN, "--launcher", "python")
    assert sorted(folder.losses()) == [1, 2]
    assert "8 are held out" in output and "eval_in2/loss_fine_grained" in output
    assert not (folder.path / "prepared").exists()


@pytest.mark.e2e_full
def test_examples_are_prepared_next_to_another_dataset(folder):
    folder.configure(datasets=[{"path": "data/in2", "type": "in2"},
                               {"path": "other.jsonl", "ds_type": "json", "type": "alpaca"}])  # fmt: skip
    rows = [{"instruction": f"Say {i}.", "input": "", "output": f"It is {i}."} for i in range(8)]
    (folder.path / "other.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    output = folder.run(*PREPROCESS)
    assert "examples are prepared in advance: other.jsonl is not of `type: in2`" in output
    assert len(folder.prepared()) == len(folder.answers()) + 8


def refusal(folder: RunFolder) -> str:
    """Return the last line of a refused run, and check that there is no traceback."""
    output = folder.run(*PREPROCESS, ok=False)
    assert "Traceback" not in output, output[-3_000:]
    return output.strip().splitlines()[-1]


@pytest.mark.e2e_full
def test_refusals_are_one_sentence(folder, workshop):
    """Check three refusals; tests/test_axolotl.py checks the others without starting a process."""
    message = refusal(folder.configure(sequnce_len=3))
    assert message.startswith("in2: axolotl does not know the key `sequnce_len`; did you mean `sequence_len`?")
    message = refusal(folder.configure(datasets=[{"path": "data/none", "type": "in2"}]))
    assert message.startswith("in2: there is no IN2 dataset at data/none; ")
    other = AutoTokenizer.from_pretrained(workshop / "model")
    other.chat_template = other.chat_template.replace("[INST] ", "[USER] ")
    other.save_pretrained(folder.path / "other")
    (folder.path / "other/config.json").write_text((workshop / "model/config.json").read_text())
    assert "was built for the chat template of model" in refusal(folder.configure(base_model="other"))


@pytest.mark.e2e_full
def test_in2_commands_are_available_in_axolotl(workshop):
    assert "smoke" in run("axolotl", "in2", "recipes", "list", cwd=workshop)
    output = run("axolotl", "in2", "recipes", "show", "smokee", cwd=workshop, ok=False)
    assert "did you mean `smoke`?" in output.strip().splitlines()[-1]
