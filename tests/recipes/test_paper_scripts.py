"""Check what the scripts of the paper's recipes launch, with fakes for axolotl, in2 and Slurm."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from in2_plugin.config import load_build_config
from tests.recipes.test_paper_recipes import FOLDERS, NAMES

SCRIPTS = [
    path for folder in FOLDERS.values() for path in sorted(folder.glob("*.s*")) if path.suffix in (".sh", ".sbatch")
]
PRINT_ARGUMENTS = '#!/bin/sh\necho "$0" "$@"\n'


@pytest.fixture
def tools(tmp_path) -> dict[str, str]:
    """An environment with fakes of `axolotl`, `in2`, `srun` and `scontrol` that print their arguments."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("axolotl", "in2", "scontrol"):
        (programs / name).write_text(PRINT_ARGUMENTS if name != "scontrol" else "#!/bin/sh\necho node7\necho node8\n")
    (programs / "srun").write_text('#!/bin/sh\nshift\nexec "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    return {"PATH": f"{programs}:/usr/bin:/bin"}


def called(name: str, script: str, *arguments: str, to: Path, ok: bool = True, **environment: str) -> str:
    """Run a script of a copied recipe; return stdout with the call, or stderr if it should fail."""
    if not (to / name).exists():
        shutil.copytree(FOLDERS[name], to / name)
    done = subprocess.run(
        ["bash", script, *arguments],
        cwd=to / name,
        env=environment,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode == 0) == ok, done.stderr
    return done.stdout if ok else done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: f"{script.parent.name}/{script.name}")
def test_scripts_are_valid_bash_and_executable(script):
    subprocess.run(["bash", "-n", script], check=True)
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("processes", [1, 2, 4, 8])
def test_one_machine_trains_128_examples_a_step(name, processes, tools, tmp_path):
    said = called(name, "train.sh", "--seed", "7", to=tmp_path, NPROC=str(processes), **tools)
    assert f"train axolotl.yml --gradient-accumulation-steps {128 // processes} --seed 7 --launcher" in said
    launcher = f"torchrun -- --standalone --nproc_per_node {processes}" if processes > 1 else "python"
    assert said.rstrip().endswith(f"--launcher {launcher}")


def test_a_batch_that_cannot_be_divided_is_an_error(tools, tmp_path):
    said = called("film-7b", "train.sh", to=tmp_path, ok=False, NPROC="3", **tools)
    assert said == "train.sh: 128 examples per step cannot be divided among 3 processes; set NPROC to 1, 2, 4, 8, ...\n"
    said = called("film-7b", "torchrun.sh", to=tmp_path, ok=False, NNODES="3", NPROC="8", HEAD="a:1", **tools)
    assert "cannot be divided among 24 GPUs" in said
    assert "cannot be divided among 24 GPUs" in called("film-7b", "ray.sh", to=tmp_path, ok=False, GPUS="24", **tools)


@pytest.mark.parametrize(("nodes", "accumulation"), [(2, 8), (16, 1)])
def test_several_machines_train_128_examples_a_step(nodes, accumulation, tools, tmp_path):
    said = called("film-7b", "torchrun.sh", to=tmp_path, NNODES=str(nodes), NPROC="8", HEAD="first:29500", **tools)
    assert (
        f"--gradient-accumulation-steps {accumulation} --launcher torchrun -- --nnodes {nodes} --nproc_per_node 8"
        in said
    )
    assert "--max-restarts 3 --rdzv_backend c10d --rdzv_endpoint first:29500 --rdzv_id film-7b" in said


def test_config_selects_the_fsdp_file(tools, tmp_path):
    assert "train axolotl-fsdp.yml" in called(
        "film-7b", "train.sh", to=tmp_path, NPROC="8", CONFIG="axolotl-fsdp.yml", **tools
    )


def test_slurm_starts_torchrun_on_each_machine(tools, tmp_path):
    job = {"SLURM_JOB_NODELIST": "node[7-8]", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_ID": "41007", "NPROC": "8"}
    job["SLURM_SUBMIT_DIR"] = str(tmp_path / "film-7b")
    said = called("film-7b", "slurm.sbatch", to=tmp_path, **job, **tools)
    assert "--nnodes 2 --nproc_per_node 8" in said and "--rdzv_endpoint node7:21007 --rdzv_id 41007" in said


def test_ray_gets_absolute_paths(tools, tmp_path):
    said = called("film-7b", "ray.sh", to=tmp_path, GPUS="16", **tools)
    assert "train axolotl-ray.yml --use-ray --ray-num-workers 16 --gradient-accumulation-steps 8" in said
    written = yaml.safe_load((tmp_path / "film-7b/axolotl-ray.yml").read_text())
    folder = tmp_path / "film-7b"
    assert written["datasets"][0]["path"] == str(folder / "data/film-7b")
    assert (written["deepspeed"], written["output_dir"]) == (str(folder / "zero3-offload.json"), str(folder / "out"))


@pytest.mark.parametrize("name", NAMES)
def test_eval_prompts_in_the_format_of_training(name, tools, tmp_path):
    said = called(name, "eval.sh", "MODEL", "results", to=tmp_path, **tools)
    assert "lm-eval --model in2-hf --model_args pretrained=MODEL,dtype=bfloat16,attn_implementation=sdpa" in said
    assert "--tasks val_probe,val_probe_paper --metadata" in said and '{"probe_template": "film"}' in said
    assert load_build_config(FOLDERS[name] / "build.yml").template == "film"
    suite = called(name, "eval.sh", "MODEL", "results", "suite", to=tmp_path, BACKEND="in2-vllm", **tools)
    assert "film_longbench,film_fewshot,film_short,film_ruler" in suite and "enable_prefix_caching=True" in suite
    assert "--apply_chat_template" in suite and "--apply_chat_template" not in said
