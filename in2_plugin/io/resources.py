"""Folders that ship with the package: `recipes/` and `lm_eval_tasks/`.

A wheel has them inside the package; a checkout (and an editable install) has them next to it.
"""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def packaged_folder(name: str) -> Path:
    """Return the folder `recipes` or `lm_eval_tasks` of this installation."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name
