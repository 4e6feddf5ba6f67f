"""How rows are split over ranks by each version of Axolotl, and which package that needs."""

import pytest

from in2_plugin.errors import ConfigError
from in2_plugin.training.axolotl.context_parallel import (
    ranks_per_row,
    refuse_missing_package,
    splits_inside_model,
    splits_rows,
    uses_ring_flash_attn,
    uses_ulysses,
)
from tests.support.axolotl_hosts import pretend

SPLIT = {"context_parallel_size": 4}
ZERO = {**SPLIT, "deepspeed": "zero3.json"}


@pytest.mark.parametrize(
    ("cfg", "ranks"),
    [({}, 1), ({"context_parallel_size": None}, 1), (SPLIT, 4), ({"context_parallel": {"size": 2}}, 2)],
)
def test_ranks_that_share_a_row(cfg, ranks):
    assert ranks_per_row(cfg) == ranks
    assert splits_rows(cfg) == (ranks > 1)


def test_version_is_read_from_the_files(monkeypatch, tmp_path):
    for version, old in (("0.19", True), ("0.21", False), (None, False)):
        pretend(monkeypatch, tmp_path, version)
        assert uses_ring_flash_attn() is old


@pytest.mark.parametrize(
    ("version", "cfg", "ulysses", "inside"),
    [
        ("0.19", SPLIT, False, True),
        ("0.19", ZERO, False, True),
        ("0.21", SPLIT, False, False),
        ("0.21", ZERO, True, False),
        ("0.21", {"context_parallel": {"size": 2, "shard_in_collator": False}}, False, True),
        ("0.21", {"context_parallel": {"size": 2, "load_balance": "distflash"}}, False, True),
        ("0.21", {"context_parallel": {"size": 2, "load_balance": "head_tail"}}, False, False),
        ("0.21", {"deepspeed": "zero3.json"}, False, False),
        (None, ZERO, True, False),
    ],
)
def test_where_rows_are_split(monkeypatch, tmp_path, version, cfg, ulysses, inside):
    pretend(monkeypatch, tmp_path, version)
    assert (uses_ulysses(cfg), splits_inside_model(cfg)) == (ulysses, inside)


@pytest.mark.parametrize(
    ("version", "packages", "cfg"),
    [
        ("0.19", (), {}),
        ("0.19", ("ring_flash_attn",), SPLIT),
        ("0.21", ("ringmaster",), SPLIT),
        ("0.21", ("deepspeed",), ZERO),
        (None, (), SPLIT),
    ],
)
def test_configs_that_need_no_other_package(monkeypatch, tmp_path, version, packages, cfg):
    pretend(monkeypatch, tmp_path, version, *packages)
    refuse_missing_package(cfg)


@pytest.mark.parametrize(
    ("version", "cfg", "sentence"),
    [
        (
            "0.19",
            SPLIT,
            "`context_parallel_size: 4` needs Axolotl 0.21 or newer, .*; install them, or train with a file that",
        ),
        (
            "0.21",
            SPLIT,
            r'`context_parallel_size: 4` needs ringmaster; install it with `pip install "axolotl\[ringmaster\]"`',
        ),
        ("0.21", ZERO, r'with `deepspeed:` needs DeepSpeed; install it with `pip install "in2-plugin\[deepspeed\]"`'),
    ],
)
def test_missing_packages_are_named(monkeypatch, tmp_path, version, cfg, sentence):
    pretend(monkeypatch, tmp_path, version)
    with pytest.raises(ConfigError, match=sentence):
        refuse_missing_package(cfg)
