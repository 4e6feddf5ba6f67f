"""Check the recipes of the paper with the validators of the tools that read them, and against the paper's values."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from in2_plugin.config import load_build_config
from in2_plugin.recipe.folder import find_recipe
from in2_plugin.recipe.planning.plan import PAPER_GPU_DAYS, plan_recipe
from in2_plugin.recipe.training_file import read_training_file
from tests.support.recipe_comments import value_comments

os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")

NAMES = ("film-7b", "film-7b-1pct", "film-7b-10pct", "film-7b-20pct", "rope-2e6", "rope-1e7", "rope-1e8",
         "sliding-window", "instruct-only")  # fmt: skip
FOLDERS = {name: find_recipe(name).path for name in NAMES}
TRAININGS = [path for folder in FOLDERS.values() for path in sorted(folder.glob("axolotl*.yml"))]
YAMLS = [path for folder in FOLDERS.values() for path in sorted(folder.glob("*.yml"))]


def name_of(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"


SECTIONS = [
    "Needed",
    "Run",
    "Cost",
    "What to expect",
    "How to read these scores",
    "Where the values come from",
    "If it goes wrong",
]
MISTRAL_7B = {
    "model_type": "mistral", "architectures": ["MistralForCausalLM"], "vocab_size": 32_000, "hidden_size": 4_096,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14_336,
    "max_position_embeddings": 32_768, "sliding_window": None, "rope_theta": 1_000_000.0, "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
EXAMPLES = {"film-7b": 1_750_000, "film-7b-1pct": 17_500, "film-7b-10pct": 175_000, "instruct-only": 300_000}
ROPE = {"rope-2e6": 2e6, "rope-1e7": 1e7, "rope-1e8": 1e8}


@pytest.fixture(scope="session")
def film_model(mistral_folder, tmp_path_factory) -> Path:
    """Mistral-7B-Instruct-v0.2's config and tokenizer, without weights."""
    folder = tmp_path_factory.mktemp("film") / "Mistral-7B-Instruct-v0.2"
    shutil.copytree(mistral_folder, folder)
    (folder / "config.json").write_text(json.dumps(MISTRAL_7B))
    return folder


@pytest.fixture
def local(film_model, built, tmp_path):
    """Return a function that copies a training file and sets a local model and dataset, nothing else."""
    manager = pytest.importorskip("axolotl.integrations.base").PluginManager.get_instance()

    def copy(file: Path) -> Path:
        manager.plugins.clear()
        folder = tmp_path / file.parent.name
        shutil.copytree(file.parent, folder)
        text = (folder / file.name).read_text()
        for key, value in (
            ("base_model: ", film_model),
            ("path: ", built),
            ("deepspeed: ", folder / "zero3-offload.json"),
        ):
            text = re.sub(rf"(?m)^( *(?:- )?{key})\S+", rf"\g<1>{value}", text)
        (folder / file.name).write_text(text)
        return folder / file.name

    return copy


def leaves(value: object, path: str = "") -> list[str]:
    """Return the dotted paths of all values; items of a list have the path of the list."""
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in leaves(inner, f"{path}.{key}" if path else str(key))]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner, path)]
    return [path]


@pytest.mark.parametrize("file", YAMLS, ids=name_of)
def test_every_value_states_its_source(file):
    text = file.read_text()
    marked = {comment.key for comment in value_comments(text)}
    unmarked = [
        leaf for leaf in leaves(yaml.safe_load(text)) if not any(f"{leaf}.".startswith(f"{key}.") for key in marked)
    ]
    assert unmarked == []
    assert {comment.origin for comment in value_comments(text)} == {"paper", "ours"}


@pytest.mark.parametrize("name", NAMES)
def test_the_build_file_is_the_trainings(name):
    build = load_build_config(FOLDERS[name] / "build.yml")
    training = yaml.safe_load((FOLDERS[name] / "axolotl.yml").read_text())
    assert str(build.output) == training["datasets"][0]["path"]
    assert build.tokenizer == training["base_model"]
    assert build.lengths.max <= training["sequence_len"]
    assert sum(build.mixture.counts().values()) == EXAMPLES.get(name, 350_000)


def test_smaller_runs_have_the_papers_shares():
    whole = load_build_config(FOLDERS["film-7b"] / "build.yml").mixture.counts()
    small = load_build_config(FOLDERS["film-7b-1pct"] / "build.yml").mixture.counts()
    assert small == {part: number // 100 for part, number in whole.items()}


def test_the_control_has_no_long_contexts():
    build = load_build_config(FOLDERS["instruct-only"] / "build.yml")
    assert {part: n for part, n in build.mixture.counts().items() if n} == {"general": 300_000}
    assert build.questions.writer == "extractive", "no endpoint is needed"


@pytest.mark.parametrize("file", TRAININGS, ids=name_of)
def test_axolotl_accepts_it_and_trains_128_examples_a_step(file, local):
    from in2_plugin.preflight.loading import load_config
    from in2_plugin.preflight.training_setup import setup_of

    cfg = load_config(local(file))
    setup = setup_of(cfg, read_training_file(file).launch.gpus)
    assert setup.batch == 128
    assert setup.shard_weights and setup.offload_weights and setup.offload_optimizer and setup.offload_activations
    assert setup.logits == "answers" and setup.checkpointing and setup.compute_bytes == 2
    assert (cfg.learning_rate, cfg.lr_scheduler, cfg.warmup_ratio, cfg.num_epochs) == (1e-6, "cosine", 0.03, 1)
    assert (cfg.adam_beta1, cfg.adam_beta2, cfg.adam_epsilon, cfg.weight_decay) == (0.9, 0.999, 1e-8, 0.0)


DISTINCT = [
    file for file in TRAININGS if file.parent.name in ("film-7b", "rope-1e7", "sliding-window", "instruct-only")
]


@pytest.mark.parametrize("file", DISTINCT, ids=name_of)
def test_preflight_finds_no_errors(file, local):
    from in2_plugin.preflight.run import preflight

    report = preflight(local(file), gpus=16, gpu="A100-80G")
    assert report.errors == []
    assert not [finding for finding in report.findings if finding.where == "bf16"], "weights are kept in float32"


def test_preflight_would_stop_the_window():
    """The reason for `preflight: false` in that recipe, and for the error that its README announces."""
    from in2_plugin.preflight.checks import findings_of
    from tests.support.preflight_cases import case, model

    (found,) = (one for one in findings_of(case(of=model(sliding_window=4_096))) if one.level == "error")
    assert "a window of 4,096 tokens is smaller than the longest example" in found.what
    said = yaml.safe_load((FOLDERS["sliding-window"] / "axolotl.yml").read_text())
    assert said["in2"]["preflight"] is False


@pytest.mark.parametrize("name", NAMES)
def test_the_model_has_the_recipes_rope_base_and_window(name, local):
    from axolotl.loaders.utils import load_model_config
    from transformers.models.mistral.modeling_mistral import MistralRotaryEmbedding

    from in2_plugin.preflight.loading import load_config

    config = load_model_config(load_config(local(FOLDERS[name] / "axolotl.yml")))
    base = ROPE.get(name, 1e6)
    assert MistralRotaryEmbedding(config).inv_freq[1].item() == pytest.approx(base ** (-2 / 128))
    assert config.sliding_window == (4_096 if name == "sliding-window" else None)


def test_a_lone_rope_theta_changes_nothing(local):
    """The reason for `rope_parameters` in the recipes; when this fails, both spellings work and the comment can go."""
    from axolotl.loaders.utils import load_model_config
    from transformers.models.mistral.modeling_mistral import MistralRotaryEmbedding

    from in2_plugin.preflight.loading import load_config

    cfg = load_config(local(FOLDERS["film-7b"] / "axolotl.yml"))
    cfg.overrides_of_model_config = {"rope_theta": 1e8}
    assert MistralRotaryEmbedding(load_model_config(cfg)).inv_freq[1].item() == pytest.approx(1e6 ** (-2 / 128))


def deepspeed_config(said: dict):
    from deepspeed.runtime.config import DeepSpeedConfig

    sizes = {"train_batch_size": 8, "train_micro_batch_size_per_gpu": 1, "gradient_accumulation_steps": 8}
    return DeepSpeedConfig({**said, **sizes, "gradient_clipping": 1.0})


@pytest.mark.parametrize("name", NAMES)
def test_deepspeed_accepts_its_file(name):
    zero = deepspeed_config(json.loads((FOLDERS[name] / "zero3-offload.json").read_text())).zero_config
    assert (zero.stage, zero.offload_param.device, zero.offload_optimizer.device) == (3, "cpu", "cpu")
    assert zero.gather_16bit_weights_on_model_save


def test_deepspeed_refuses_a_misspelt_key():
    said = json.loads((FOLDERS["film-7b"] / "zero3-offload.json").read_text())
    said["zero_optimization"]["offload_params"] = said["zero_optimization"].pop("offload_param")
    with pytest.raises(ValueError, match="offload_params"):
        deepspeed_config(said)


@pytest.mark.parametrize("name", NAMES)
def test_a_readme_has_its_sections_and_names_existing_files(name):
    text = (FOLDERS[name] / "README.md").read_text()
    title, _, rest = text.partition("\n")
    assert re.match(r"# \S", title) and rest.startswith("\nWhat it is for: ")
    assert re.findall(r"(?m)^## (.*)$", text) == SECTIONS
    for script in re.findall(r"\./(\w+\.sh)|(?:sbatch \S+|python) (\w+\.\w+)", text):
        assert (FOLDERS[name] / "".join(script)).is_file(), script
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 120
    assert "not run" in text.lower() or "Nothing here was run on GPUs by us" in text


def test_the_full_run_costs_about_what_the_paper_states():
    days = PAPER_GPU_DAYS / 16
    assert days == pytest.approx(18.75)
    computed = plan_recipe(find_recipe("film-7b"), gpus=16, gpu="A100-80G").runs[0].machines[0].days
    assert 11 < computed < 15, "at 40% of the peak; 300 GPU-days are 27% of it"
    assert (
        f"| time on 16 x A100-80G | {computed:.1f} days / 18.8 days |" in (FOLDERS["film-7b"] / "README.md").read_text()
    )
