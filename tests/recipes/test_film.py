"""The recipes of the paper, with the validators of the tools that read them."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import make_recipes
from recipe_texts import film
from recipe_texts.film_costs import paper_gpu_days
from recipe_texts.remarks import remarks
from recipe_texts.rendering import aligned
from recipe_texts.wrapping import wrapped

from in2_plugin.config import load_build_config

os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")

RECIPES = make_recipes.RECIPES

NAMES = [recipe.name for recipe in film.RECIPES]
TRAININGS = [path.relative_to(RECIPES) for name in NAMES for path in sorted((RECIPES / name).glob("axolotl*.yml"))]
YAMLS = [path.relative_to(RECIPES) for name in NAMES for path in sorted((RECIPES / name).glob("*.yml"))]
SECTIONS = [
    "What it is for",
    "Needed",
    "Run",
    "Cost",
    "What to expect",
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
    """Mistral-7B-Instruct-v0.2's shape and tokenizer, without weights."""
    folder = tmp_path_factory.mktemp("film") / "Mistral-7B-Instruct-v0.2"
    shutil.copytree(mistral_folder, folder)
    (folder / "config.json").write_text(json.dumps(MISTRAL_7B))
    return folder


@pytest.fixture
def local(film_model, built, tmp_path):
    """A function that gives a training file whose model and dataset are here; nothing else is another."""
    from axolotl.integrations.base import PluginManager

    def copy(file: Path) -> Path:
        PluginManager.get_instance().plugins.clear()
        folder = tmp_path / file.parent
        shutil.copytree(RECIPES / file.parent, folder)
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
    """Dotted paths of all values; items of a list have the path of the list."""
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in leaves(inner, f"{path}.{key}" if path else str(key))]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner, path)]
    return [path]


def test_the_folders_are_what_the_script_writes():
    assert [said for said in make_recipes.differences() if said.split("/")[0] in NAMES] == []


def test_a_file_that_was_edited_or_added_is_found(tmp_path):
    shutil.copytree(RECIPES / "film-7b", tmp_path / "film-7b")
    (tmp_path / "film-7b/eval.sh").write_text("other")
    (tmp_path / "film-7b/notes.txt").write_text("mine")
    found = [said for said in make_recipes.differences(tmp_path) if said.startswith("film-7b/")]
    assert [said.split(":")[0] for said in found] == ["film-7b/eval.sh", "film-7b/notes.txt"]


@pytest.mark.parametrize("file", YAMLS, ids=str)
def test_every_value_says_where_it_comes_from(file):
    text = (RECIPES / file).read_text()
    marked = {remark.key for remark in remarks(text)}
    unmarked = [
        leaf for leaf in leaves(yaml.safe_load(text)) if not any(f"{leaf}.".startswith(f"{key}.") for key in marked)
    ]
    assert unmarked == []
    assert {remark.origin for remark in remarks(text)} == {"paper", "ours"}


@pytest.mark.parametrize("line", ["a: 1", "a: 1 # because", "- {b: 2}  # paper:", "a: # ours: no value\n  b: 1"])
def test_a_value_without_a_source_is_refused(line):
    with pytest.raises(ValueError, match="says neither"):
        list(remarks(line))


def test_remarks_have_the_sections_around_them():
    text = "a:\n  - b: x  # ours: i\n    c: {d: 1}  # paper: j\n  - y  # ours: k\ne: 2  # paper: l\n"
    assert [(found.key, found.value, found.origin, found.why) for found in remarks(text)] == [
        ("a.b", "x", "ours", "i"), ("a.c", "{d: 1}", "paper", "j"), ("a", "y", "ours", "k"), ("e", "2", "paper", "l"),
    ]  # fmt: skip


def test_remarks_stand_under_each_other():
    first, second = aligned("a: 1 # ours: x\nlonger: 2   # paper: y\n").splitlines()
    assert first.index("#") == second.index("#") and first.startswith("a: 1 ")


def test_paragraphs_and_items_are_filled_and_nothing_else():
    code = "```\n" + "x " * 80 + "\n```\n"
    table = "| " + "y " * 80 + "|\n"
    text = "# T\n\na\nb\n\n- " + "word " * 40 + "\n- short\n\n   " + "more " * 40 + "\n\n" + code + table
    lines = wrapped(text).splitlines()
    assert lines[:3] == ["# T", "", "a b"] and code in wrapped(text) and table in wrapped(text)
    assert [line[:6] for line in lines[4:7]] == ["- word", "  word", "- shor"]
    assert wrapped(text).split() == text.split() and max(map(len, lines[:10])) <= 120
    assert lines[8].startswith("   more") and wrapped(wrapped(text)) == wrapped(text)


@pytest.mark.parametrize("name", NAMES)
def test_the_build_file_is_the_trainings(name):
    build = load_build_config(RECIPES / name / "build.yml")
    training = yaml.safe_load((RECIPES / name / "axolotl.yml").read_text())
    assert str(build.output) == training["datasets"][0]["path"]
    assert build.tokenizer == training["base_model"]
    assert build.lengths.max <= training["sequence_len"]
    assert sum(build.mixture.counts().values()) == EXAMPLES.get(name, 350_000)


def test_smaller_runs_have_the_papers_shares():
    whole = load_build_config(RECIPES / "film-7b/build.yml").mixture.counts()
    small = load_build_config(RECIPES / "film-7b-1pct/build.yml").mixture.counts()
    assert small == {part: number // 100 for part, number in whole.items()}


def test_the_control_has_no_long_contexts():
    build = load_build_config(RECIPES / "instruct-only/build.yml")
    assert build.mixture.counts() == {"fine_grained": 0, "integration": 0, "short_context": 0, "general": 300_000}
    assert build.questions.writer == "extractive", "no endpoint is needed"


@pytest.mark.parametrize("file", TRAININGS, ids=str)
def test_axolotl_takes_it_and_trains_128_examples_a_step(file, local):
    from in2_plugin.preflight.loading import load_config
    from in2_plugin.preflight.training_setup import setup_of

    cfg = load_config(local(file))
    recipe = next(recipe for recipe in film.RECIPES if recipe.name == file.parent.name)
    setup = setup_of(cfg, recipe.gpus)
    assert setup.batch == 128
    assert setup.shard_weights and setup.offload_weights and setup.offload_optimizer and setup.offload_activations
    assert setup.logits == "answers" and setup.checkpointing and setup.compute_bytes == 2
    assert (cfg.learning_rate, cfg.lr_scheduler, cfg.warmup_ratio, cfg.num_epochs) == (1e-6, "cosine", 0.03, 1)
    assert (cfg.adam_beta1, cfg.adam_beta2, cfg.adam_epsilon, cfg.weight_decay) == (0.9, 0.999, 1e-8, 0.0)


DISTINCT = [
    file for file in TRAININGS if file.parent.name in ("film-7b", "rope-1e7", "sliding-window", "instruct-only")
]


@pytest.mark.parametrize("file", DISTINCT, ids=str)
def test_preflight_has_no_objection(file, local):
    from in2_plugin.preflight.run import preflight

    report = preflight(local(file), gpus=16, gpu="A100-80G")
    assert report.errors == []
    assert not [finding for finding in report.findings if finding.where == "bf16"], "weights are kept in float32"


def test_a_window_is_what_preflight_would_stop():
    """Why that recipe says `preflight: false`, and its README that `in2 preflight` ends with an error."""
    from in2_plugin.preflight.checks import findings_of
    from tests.support.preflight_cases import case, model

    (found,) = (one for one in findings_of(case(of=model(sliding_window=4_096))) if one.level == "error")
    assert "a window of 4,096 tokens is smaller than the longest example" in found.what
    said = yaml.safe_load((RECIPES / "sliding-window/axolotl.yml").read_text())
    assert said["in2"]["preflight"] is False


@pytest.mark.parametrize("name", NAMES)
def test_the_model_rotates_and_attends_as_the_recipe_says(name, local):
    from axolotl.loaders.utils import load_model_config
    from transformers.models.mistral.modeling_mistral import MistralRotaryEmbedding

    from in2_plugin.preflight.loading import load_config

    config = load_model_config(load_config(local(Path(name, "axolotl.yml"))))
    base = ROPE.get(name, 1e6)
    assert MistralRotaryEmbedding(config).inv_freq[1].item() == pytest.approx(base ** (-2 / 128))
    assert config.sliding_window == (4_096 if name == "sliding-window" else None)


def test_rope_theta_by_itself_changes_nothing(local):
    """Why the recipes say `rope_parameters`; when this fails, both ways work and the remark can go."""
    from axolotl.loaders.utils import load_model_config
    from transformers.models.mistral.modeling_mistral import MistralRotaryEmbedding

    from in2_plugin.preflight.loading import load_config

    cfg = load_config(local(Path("film-7b", "axolotl.yml")))
    cfg.overrides_of_model_config = {"rope_theta": 1e8}
    assert MistralRotaryEmbedding(load_model_config(cfg)).inv_freq[1].item() == pytest.approx(1e6 ** (-2 / 128))


def deepspeed_config(said: dict):
    from deepspeed.runtime.config import DeepSpeedConfig

    sizes = {"train_batch_size": 8, "train_micro_batch_size_per_gpu": 1, "gradient_accumulation_steps": 8}
    return DeepSpeedConfig({**said, **sizes, "gradient_clipping": 1.0})


@pytest.mark.parametrize("name", NAMES)
def test_deepspeed_takes_its_file(name):
    zero = deepspeed_config(json.loads((RECIPES / name / "zero3-offload.json").read_text())).zero_config
    assert (zero.stage, zero.offload_param.device, zero.offload_optimizer.device) == (3, "cpu", "cpu")
    assert zero.gather_16bit_weights_on_model_save


def test_deepspeed_refuses_a_misspelt_key():
    said = json.loads((RECIPES / "film-7b/zero3-offload.json").read_text())
    said["zero_optimization"]["offload_params"] = said["zero_optimization"].pop("offload_param")
    with pytest.raises(ValueError, match="offload_params"):
        deepspeed_config(said)


@pytest.mark.parametrize("name", NAMES)
def test_a_readme_has_its_parts_and_names_what_is_there(name):
    text = (RECIPES / name / "README.md").read_text()
    title, _, rest = text.partition("\n")
    assert re.match(r"# \S", title) and rest.startswith("\nWhat it is for: ")
    assert re.findall(r"(?m)^## (.*)$", text) == SECTIONS[1:]
    for script in re.findall(r"\./(\w+\.sh)|(?:sbatch \S+|python) (\w+\.\w+)", text):
        assert (RECIPES / name / "".join(script)).is_file(), script
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 120
    assert "not run" in text.lower() or "Nothing here was run on GPUs by us" in text


def test_the_full_run_costs_about_what_the_paper_says():
    from in2_plugin.recipe.folder import RecipeFolder
    from in2_plugin.recipe.planning.plan import plan_recipe

    assert paper_gpu_days(1_750_000) / 16 == pytest.approx(18.75)
    computed = plan_recipe(RecipeFolder(RECIPES / "film-7b"), gpus=16, gpu="A100-80G").runs[0].machines[0].days
    assert 11 < computed < 15, "at 40% of the peak; 300 GPU-days are 27% of it"
    assert f"| time on 16 x A100-80G | {computed:.1f} days / 18.8 days |" in (RECIPES / "film-7b/README.md").read_text()
