"""Train with the real TRL and read the results.

`python trl_runs.py a.yml b.yml` does for each file what `python -m in2_plugin.training.trl.sft --config FILE` does for
one, in one process, because a start costs 10 to 20 s of imports; it also works under torchrun. A file with the
additional key `stock: true` is trained by TRL's own SFTTrainer.
"""

import os
import sys
from pathlib import Path
from typing import Any

import yaml

CONFIG = {
    "model_name_or_path": "model",
    "datasets": [{"path": "in2", "data_dir": "data/in2"}],
    # accelerate's default device is cpu:0, to which checkpoints cannot be loaded
    "env": {"ACCELERATE_TORCH_DEVICE": "cpu"},
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "max_steps": 3,
    "num_train_epochs": 9,
    "save_strategy": "no",
    "logging_steps": 1,
    "learning_rate": 0.002,
    "optim": "adamw_torch",
    "attn_implementation": "sdpa",
    "bf16": False,
    "use_cpu": True,
    "report_to": "none",
    "seed": 42,
}
ZERO3 = {
    "zero_optimization": {
        "stage": 3,
        "offload_optimizer": {"device": "cpu"},
        "offload_param": {"device": "cpu"},
        "stage3_gather_16bit_weights_on_model_save": True,
    },
    "zero_force_ds_cpu_optimizer": False,  # torch's AdamW; DeepSpeed would compile its own
    "gradient_accumulation_steps": "auto",
    "gradient_clipping": "auto",
    "train_batch_size": "auto",
    "train_micro_batch_size_per_gpu": "auto",
}
TORCHRUN = ("--standalone", "--nproc_per_node")  # standalone: chooses a free port
# one thread per process: with more, ranks and other work on the machine wait for each other
ENV = ("env", "OMP_NUM_THREADS=1")


def write(folder: Path, name: str, **changes: Any) -> str:
    """Write `NAME.yml` with `out/NAME` as its output folder; a value of None removes a key."""
    values = {**CONFIG, "output_dir": f"out/{name}", **changes}
    (folder / f"{name}.yml").write_text(
        yaml.safe_dump({key: value for key, value in values.items() if value is not None})
    )
    return f"{name}.yml"


def train_all(folder: Path, names: list[str], ranks: int = 1) -> str:
    """Train with each config, in one process per rank, and return the output."""
    from tests.support.e2e_run import run

    launcher = ("torchrun", *TORCHRUN, ranks) if ranks > 1 else (sys.executable,)
    return run(*ENV, *launcher, __file__, *(f"{name}.yml" for name in names), cwd=folder)


def let_deepspeed_run() -> None:
    """Set DeepSpeed up for the CPU: gloo, and no C++ extensions, which are compiled at first use."""
    os.environ["DS_ACCELERATOR"] = "cpu"
    import deepspeed

    # reductions through shared memory would be compiled now, which takes a minute and a C++ compiler
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    # TRL leaves this to accelerate, which skips it without a GPU; the model would be partitioned for one rank
    deepspeed.init_distributed("gloo")


def _train_stock(values: dict[str, Any]) -> None:
    """Train with TRL's own SFTTrainer, as a user's training script does."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    from in2_plugin.trl import load_in2_dataset, sft_settings

    ours = ("model_name_or_path", "datasets", "env", "attn_implementation", "stock")
    settings = {key: value for key, value in values.items() if key not in ours}
    tokenizer = AutoTokenizer.from_pretrained(values["model_name_or_path"])
    trainer = SFTTrainer(
        AutoModelForCausalLM.from_pretrained(values["model_name_or_path"], dtype="float32"),
        SFTConfig(**settings, **sft_settings()),
        train_dataset=load_in2_dataset(values["datasets"][0]["data_dir"], tokenizer),
        processing_class=tokenizer,
    )
    trainer.train()


def _main(files: list[str]) -> None:
    every = {file: yaml.safe_load(Path(file).read_text()) for file in files}
    if any("deepspeed" in values for values in every.values()):
        let_deepspeed_run()
    import transformers.trainer
    from accelerate.state import AcceleratorState

    from in2_plugin.training.trl.sft import main
    from tests.support.example_watch import Watch, watch

    watch()
    transformers.trainer.DEFAULT_CALLBACKS.append(Watch)
    for file, values in every.items():
        AcceleratorState._reset_state(reset_partial_state=True)
        if values.get("stock"):
            _train_stock(values)
        else:
            main(["--config", file])


if __name__ == "__main__":
    _main(sys.argv[1:])
