"""Open the teacher of each dataset: stored scores, or the gold rows that a model reads during training.

Invariant: a teacher is open, and belongs to the examples, before a model is loaded.
"""

from collections.abc import Sequence
from pathlib import Path

from in2_plugin.errors import ConfigError
from in2_plugin.teaching.rows import GoldOnlyRows
from in2_plugin.teaching.store import CURRENT, INITIAL, TeacherStore, teacher_names
from in2_plugin.training.options import DistillOptions

Teacher = TeacherStore | GoldOnlyRows


def is_in_step(folders: Sequence[Path], options: DistillOptions, *, adapter: bool) -> bool:
    """Return True if the teacher reads gold rows in the step, and False if it has stored scores.

    The model before training is in memory if only an adapter is trained; stored scores have precedence, since they cost
    no forward pass.

    Args:
        folders: of all splits: training and held-out losses are comparable only with the same teacher.
        adapter: True if only an adapter is trained.
    """
    name = options.teacher
    stored = all(name in teacher_names(folder) for folder in folders)
    return name == CURRENT or (name == INITIAL and adapter and not stored)


def open_teachers(folders: Sequence[Path], options: DistillOptions, *, in_step: bool) -> list[Teacher]:
    """Open the teacher of each dataset folder.

    Args:
        in_step: from `is_in_step`.

    Raises:
        DatasetError: a folder has no gold rows or no complete scores of the teacher; names the command to run.
        ConfigError: fewer tokens are stored than `top_k`, or different numbers in different folders.
    """
    if in_step:
        return [GoldOnlyRows(folder) for folder in folders]
    stores = [TeacherStore.open(folder, options.teacher) for folder in folders]
    _require_top_k(stores, options.top_k)
    return [*stores]


def _require_top_k(stores: Sequence[TeacherStore], asked: int | None) -> None:
    fewest = min(stores, key=lambda store: store.facts.top_k, default=None)
    if fewest is None:
        return
    stored = {store.facts.top_k for store in stores}
    if asked is None and len(stored) > 1:
        raise ConfigError(
            f"the datasets have scores of {' and '.join(map(str, sorted(stored)))} tokens at each answer token; set "
            f"`distill: {{top_k: {min(stored)}}}`"
        )
    if asked is not None and asked > min(stored):
        raise ConfigError(
            f"`distill.top_k: {asked}`: {fewest.folder} has {min(stored)} tokens at each answer token; lower it, or "
            f"run `in2 teach` with `--top-k {asked}` and another --name"
        )


def teacher_sentence(teachers: Sequence[Teacher], options: DistillOptions) -> str:
    """Return one sentence for the log: who the teacher is, and what it costs."""
    stores = [one for one in teachers if isinstance(one, TeacherStore)]
    if stores:
        models = " and ".join(sorted({store.facts.model for store in stores}))
        return f"distils from the stored scores `{options.teacher}` of {models}"
    who = "the model in training" if options.teacher == CURRENT else "the model without its adapter"
    read = f"distils from {who}, which reads the gold rows in one more forward pass per micro-batch, without gradients"
    folders = [one.dataset for one in teachers if isinstance(one, GoldOnlyRows)]
    if options.teacher == INITIAL and any(INITIAL in teacher_names(folder) for folder in folders):
        return f"{read}; stored scores are not used, because another dataset of this run has none"
    return read


def other_model_warning(teachers: Sequence[Teacher], options: DistillOptions, model: str) -> str | None:
    """Return a warning if the stored scores `initial` are of a model of another name than that in training, or None.

    The same model may have moved to another folder, so this is no error.
    """
    stored = {one.facts.model for one in teachers if isinstance(one, TeacherStore)}
    others = sorted(name for name in stored if Path(name).resolve() != Path(model).resolve())
    if options.teacher != INITIAL or not others or not model:
        return None
    return (
        f"the stored scores `{INITIAL}` are of {' and '.join(others)}, but the model in training is {model}: unless "
        f"they are the same model, delete them and run `in2 teach` with `--model {model}`"
    )
