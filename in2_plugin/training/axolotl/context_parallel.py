"""Read from a config how rows are split over ranks (context parallelism), and what that needs.

Axolotl 0.21 splits rows with DeepSpeed's Ulysses attention if the config uses DeepSpeed, else with the package
ringmaster. Axolotl 0.19 has ring-flash-attn. Nothing here imports Axolotl, so planning stays fast.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from in2_plugin.errors import ConfigError


def ranks_per_row(cfg: Mapping[str, Any]) -> int:
    """Return the number of ranks that share each row."""
    return int(cfg.get("context_parallel_size") or (cfg.get("context_parallel") or {}).get("size") or 1)


def splits_rows(cfg: Mapping[str, Any]) -> bool:
    """Return True if each row is split over ranks."""
    return ranks_per_row(cfg) > 1


def uses_ring_flash_attn() -> bool:
    """Return True if the installed Axolotl is 0.19 or older."""
    found = find_spec("axolotl")
    places = (found and found.submodule_search_locations) or ()
    return bool(places) and not any(Path(place, "integrations/context_parallel").is_dir() for place in places)


def uses_ulysses(cfg: Mapping[str, Any]) -> bool:
    """Return True if DeepSpeed splits the rows, in the loader."""
    return splits_rows(cfg) and bool(cfg.get("deepspeed")) and not uses_ring_flash_attn()


def splits_inside_model(cfg: Mapping[str, Any]) -> bool:
    """Return True if rows are split in the model's forward, so that the trainer does not see a rank's part.

    Axolotl's collator cannot split them for `load_balance: distflash` (integrations/context_parallel/collator.py).
    """
    block = cfg.get("context_parallel") or {}
    in_collator = block.get("shard_in_collator", True) and block.get("load_balance") != "distflash"
    return splits_rows(cfg) and not uses_ulysses(cfg) and (uses_ring_flash_attn() or not in_collator)


def needs_newer_axolotl(cfg: Mapping[str, Any]) -> bool:
    """Return True if rows are split and the installed Axolotl, 0.19, has no package for it."""
    return splits_rows(cfg) and uses_ring_flash_attn() and find_spec("ring_flash_attn") is None


def refuse_missing_package(cfg: Mapping[str, Any]) -> None:
    """Raise if a config splits rows and the installed packages cannot.

    Raises:
        ConfigError: names what to install.
    """
    if not splits_rows(cfg) or find_spec("axolotl") is None:
        return
    key = f"`context_parallel_size: {ranks_per_row(cfg)}`"
    if uses_ulysses(cfg):
        if find_spec("deepspeed") is None:
            raise ConfigError(
                f'{key} with `deepspeed:` needs DeepSpeed; install it with `pip install "in2-plugin[deepspeed]"`'
            )
    elif needs_newer_axolotl(cfg):
        raise ConfigError(
            f"{key} needs Axolotl 0.21 or newer, which needs Python 3.12; install them, or train with a file that "
            "keeps rows whole (axolotl.yml in our recipes)"
        )
    elif not uses_ring_flash_attn() and find_spec("ringmaster") is None:
        raise ConfigError(f'{key} needs ringmaster; install it with `pip install "axolotl[ringmaster]"`')
