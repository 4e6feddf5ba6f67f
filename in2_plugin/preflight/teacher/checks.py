"""Find the teacher of a config with `objective: distill` or `both`, or say in one sentence what is missing.

Invariant: a run that would stop for its teacher has an error here. Cost: a few small files per dataset, and about 1 s
per GB of stored scores, whose token ids are compared with the model's.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from in2_plugin.errors import In2Error
from in2_plugin.preflight.findings import ConfigFinding
from in2_plugin.preflight.shape import Model
from in2_plugin.training.axolotl.args import IN2Options
from in2_plugin.training.axolotl.plugins import SECTIONS, in2_entries
from in2_plugin.training.distillation.teachers import Teacher, is_in_step, open_teachers, other_model_warning

WHERE = "in2: objective"


def find_teachers(cfg: Any, options: IN2Options, model: Model) -> tuple[Sequence[Teacher], list[ConfigFinding]]:
    """Return the teacher of each training dataset, or none, and what is wrong.

    Args:
        cfg: as validated by Axolotl; all of its datasets can be read.
        options: those of the config, with an objective that needs a teacher.
        model: the model in training.
    """
    from in2_plugin.training.axolotl.data import not_lazy_reason, starts_as_initial
    from in2_plugin.training.distillation.step import require_known_tokens

    if reason := not_lazy_reason(options, cfg):
        what = f"`{options.objective}` needs examples that are assembled in the step, and {reason}"
        return [], [ConfigFinding("error", WHERE, what, "set `objective: answer`, or change the other setting")]
    train, held_out = ([Path(one["path"]) for one in in2_entries(cfg, [section])] for section in SECTIONS)
    distill = options.distillation
    try:
        in_step = is_in_step([*train, *held_out], distill, adapter=starts_as_initial(cfg))
        teachers = open_teachers([*train, *held_out], distill, in_step=in_step)
        require_known_tokens(model, teachers)
    except In2Error as error:
        what, _, remedy = str(error).rpartition("; ")
        return [], [ConfigFinding("error", WHERE, what, remedy)]
    warnings = []
    if warning := other_model_warning(teachers, distill, str(cfg.base_model)):
        what, _, remedy = warning.rpartition(": ")
        warnings = [ConfigFinding("warning", WHERE, what, remedy)]
    return teachers[: len(train)], warnings
