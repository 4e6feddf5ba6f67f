"""Check how recipes are found, and that each one of the package is complete."""

import os
import re

import pytest
import yaml

from in2_plugin.config import load_build_config
from in2_plugin.errors import ConfigError
from in2_plugin.io.resources import packaged_folder
from in2_plugin.recipe.folder import copy_recipe, find_recipe, recipe_names
from in2_plugin.recipe.overlay import SCHEMA

OLD_NAMES = [
    "film-7b", "film-7b-10pct", "film-7b-1pct", "film-7b-20pct", "grpo-qwen3-4b", "instruct-only", "llama-3.1-8b",
    "lora-80gb",
    "qlora-24gb", "qwen3-4b", "qwen3-8b", "rope-1e7", "rope-1e8", "rope-2e6", "sliding-window", "smoke", "smollm2-135m",
    "smollm2-135m-4k", "trl-zero3",
    "yarn-128k", "yarn-64k",
]  # fmt: skip


def test_shared_files_are_not_a_recipe():
    assert recipe_names() == OLD_NAMES
    assert (packaged_folder("recipes") / "_shared/train.sh").is_file()


@pytest.mark.parametrize("name", recipe_names())
def test_a_copied_recipe_is_complete(name, tmp_path):
    copy_recipe(name, tmp_path / name)
    files = {file.name: file for file in (tmp_path / name).iterdir()}
    assert {"README.md", "build.yml"} <= set(files) and "recipe.yml" not in files
    assert {"axolotl.yml", "sft.yml"} & set(files)
    load_build_config(files["build.yml"])
    for file in files.values():
        if file.suffix in (".sh", ".sbatch"):
            assert os.access(file, os.X_OK), file
        if file.suffix == ".yml":
            assert isinstance(yaml.safe_load(file.read_text()), dict)
    scripts = [file.read_text() for file in files.values() if file.suffix in (".yml", ".sh", ".sbatch")]
    named = {file for text in scripts for file in re.findall(r"[\w-]+\.(?:json|sbatch)\b", text)}
    # `build.schema.json` matches as schema.json; a model has config.json, and a demo writes speed.json
    assert named - {"config.json", "schema.json", "speed.json"} <= set(files)


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_is_found_complete_by_its_name(name, tmp_path):
    copy_recipe(name, tmp_path / name)
    found = find_recipe(name).path
    copied, complete = (
        {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file() and file.name != SCHEMA}
        for folder in (tmp_path / name, found)
    )
    assert copied == complete


def test_a_name_without_a_recipe_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"no recipe is called `film-7`; did you mean `film-7b`\?"):
        find_recipe("film-7")
    with pytest.raises(ConfigError, match=r"not a recipe, it has no README\.md"):
        find_recipe(str(tmp_path))
