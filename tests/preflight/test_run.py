"""Preflight of whole configs, loaded by Axolotl in this process."""

import pytest
from axolotl.loaders import load_tokenizer
from transformers import AutoTokenizer

from in2_plugin.dataset.reader import read_manifest
from in2_plugin.errors import ConfigError
from in2_plugin.preflight.costs import PROCESS
from in2_plugin.preflight.loading import choose_gpu, load_config
from in2_plugin.preflight.run import preflight, preflight_config


def about(report, where):
    return [finding for finding in report.findings if where in finding.where]


def test_valid_config(axolotl_file, built, tmp_path):
    report = preflight(axolotl_file(), gpus=4, gpu="H100-80G")
    assert report.findings == [] and report.errors == []
    (summary,) = report.case.datasets
    assert (summary.examples, summary.longest) == (read_manifest(built).examples, read_manifest(built).longest)
    assert report.run.rows_per_step == 8 and report.run.balanced
    assert report.run.steps == 2 * -(-summary.examples // 8)
    assert [path.name for path in tmp_path.iterdir()] == ["axolotl.yml"], "nothing is written"


def test_short_sequence_len(axolotl_file, built):
    report = preflight(axolotl_file(sequence_len=1_000), gpus=1)
    (finding,) = report.errors
    longest = read_manifest(built).longest
    assert "are longer than `sequence_len: 1000`" in finding.what
    assert f"set `sequence_len: {longest}` or more" in finding.remedy


def test_in2_dataset_next_to_another_type(axolotl_file, built, chats):
    datasets = [{"path": str(built), "type": "in2"}, {"path": str(chats), "type": "chat_template"}]
    report = preflight(axolotl_file(datasets=datasets, train_on_inputs=True), gpus=1, rows=12)
    ours, others = report.case.datasets
    assert (ours.is_in2, others.is_in2, others.looked_at) == (True, False, 12)
    assert not report.run.balanced and report.run.examples == ours.examples + 60
    assert [finding.where for finding in report.errors] == ["train_on_inputs"]


def test_one_gpu_is_assumed_by_default(axolotl_file, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    report = preflight(axolotl_file())
    assert about(report, "gpus")[0].remedy == "set the number and type, e.g. `--gpus 16 --gpu A100-80G`"
    assert report.case.setup.gpus == 1


@pytest.fixture
def two_cores(monkeypatch):
    """A machine without a GPU and with two cores, which multiply float32 twice as fast as bfloat16."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    speeds = {"float32": 0.2, "bfloat16": 0.1}
    monkeypatch.setattr("in2_plugin.inspection.environment.cpu_dtype.cpu_matmul_speeds", lambda: speeds)


def test_a_run_in_float32_is_for_the_cpu_of_this_machine(axolotl_file, two_cores):
    report = preflight(axolotl_file(bf16=False))
    assert (report.case.gpu.name, report.case.gpu.tflops, report.case.memory.other) == ("CPU", 0.4, PROCESS)
    assert about(report, "gpu")[0].remedy.startswith("set the GPU to train on")
    shown = dict(report.rows())
    assert "on the CPU of this machine at 40% of 0.4 TFLOP/s" in shown["time"] and "memory/GPU" not in shown
    assert not about(preflight(axolotl_file(bf16=False), gpu="cpu"), "gpu")


def test_a_gpu_is_slower_in_float32_than_estimated(axolotl_file):
    report = preflight(axolotl_file(bf16=False), gpus=1, gpu="A100-80G")
    assert about(report, "bf16")[0].remedy == "set `bf16: true`, or `--gpu CPU` for a run on the CPU"


@pytest.mark.parametrize(("starts", "name"), [(False, "A100-80G"), (True, "CPU")])
def test_a_run_in_bf16_is_on_another_machine_unless_it_starts_here(two_cores, starts, name):
    assert choose_gpu(None, starts=starts).name == name
    assert choose_gpu("cpu").tflops == 0.2


def test_dataset_for_another_tokenizer(axolotl_file, model_folder, tmp_path):
    other = AutoTokenizer.from_pretrained(model_folder)
    other.chat_template = other.chat_template.replace("[INST] ", "[USER] ")
    other.save_pretrained(tmp_path / "other")
    (tmp_path / "other/config.json").write_text((model_folder / "config.json").read_text())
    (finding,) = preflight(axolotl_file(base_model=str(tmp_path / "other")), gpus=1).errors
    assert "was built for the chat template of" in finding.what


def test_model_with_a_window_and_too_few_positions(axolotl_file):
    changes = {"overrides_of_model_config": {"sliding_window": 512, "max_position_embeddings": 1_024}}
    errors = preflight(axolotl_file(**changes), gpus=1).errors
    assert [error.where.rpartition(": ")[2] for error in errors] == ["sliding_window", "max_position_embeddings"]


def test_remedies_for_window_and_positions_work(axolotl_file):
    remedied = {
        "sliding_window": None,
        "max_position_embeddings": 2_048,
        "rope_parameters": {"rope_type": "yarn", "rope_theta": 10_000.0, "factor": 2.0,
                            "original_max_position_embeddings": 1_024},
    }  # fmt: skip
    report = preflight(axolotl_file(overrides_of_model_config=remedied), gpus=1)
    assert report.findings == []


def test_start_of_training_checks_only_in2_datasets(axolotl_file, built, chats):
    datasets = [{"path": str(built), "type": "in2"}, {"path": str(chats), "type": "chat_template"}]
    cfg = load_config(axolotl_file(datasets=datasets, in2={"gpu": "L40S"}))
    report = preflight_config(cfg, load_tokenizer(cfg), gpus=2)
    assert report.case.gpu.name == "L40S"
    (finding,) = report.findings
    assert (finding.level, finding.where) == ("note", str(chats))
    assert report.run is None and len(report.lines()) == 5
    assert preflight_config(cfg, gpus=2).case.datasets[0].examples == read_manifest(built).examples


def test_world_size_is_the_number_of_gpus(axolotl_file, monkeypatch):
    cfg = load_config(axolotl_file())
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert preflight_config(cfg).case.setup.gpus == 4


def test_missing_tokenizer(axolotl_file, model_folder, tmp_path):
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/config.json").write_text((model_folder / "config.json").read_text())
    with pytest.raises(ConfigError, match="cannot load the tokenizer"):
        preflight(axolotl_file(base_model=str(tmp_path / "bare")))
