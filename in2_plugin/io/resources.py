"""Where the folders that travel with the package are: `recipes/` and `lm_eval_tasks/`.

In a wheel they lie inside the package; in a checkout (and an editable install) beside it.
"""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def packaged_folder(name: str) -> Path:
    """The folder `recipes` or `lm_eval_tasks` of this installation."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name
