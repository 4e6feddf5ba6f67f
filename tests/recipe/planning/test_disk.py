"""Check disk space and host memory of a run."""

import dataclasses

import pytest

from in2_plugin.recipe.folder import find_recipe
from in2_plugin.recipe.planning.disk import checkpoints_kept, host_bytes
from in2_plugin.recipe.planning.plan import plan_recipe
from in2_plugin.recipe.training_file import read_training_file


def test_one_checkpoint_more_than_the_limit_exists_while_it_is_written():
    file = read_training_file(find_recipe("film-7b").path / "axolotl.yml")
    assert (file.save_limit, file.save_steps) == (2, 200)
    assert checkpoints_kept(file, 13_672) == 3
    assert checkpoints_kept(file, 250) == 1
    assert checkpoints_kept(dataclasses.replace(file, save_limit=None), 2_000) == 10


def test_a_checkpoint_has_weights_and_optimizer_states():
    disk = plan_recipe(find_recipe("film-7b"), gpus=16).runs[0].disk
    assert disk.base_model == 2 * 7_241_732_096
    assert disk.checkpoints == 3 * 14 * 7_241_732_096
    adapters = plan_recipe(find_recipe("lora-80gb"), gpus=1).runs[0].disk
    assert adapters.checkpoints < disk.checkpoints / 40


def test_two_machines_share_the_offloaded_states():
    run = plan_recipe(find_recipe("film-7b"), gpus=16).runs[0]
    one, two = (host_bytes(run.model.shape, run.file.setup(gpus, run.model.shape), 32_768) for gpus in (8, 16))
    assert one - two == pytest.approx(16 * 7_241_732_096 / 2)
