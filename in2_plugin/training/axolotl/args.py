"""The keys under `in2:` in an Axolotl config, and what the config implies for our datasets and loss."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, model_validator

from in2_plugin.config.base import Config
from in2_plugin.errors import ConfigError
from in2_plugin.training.axolotl.context_parallel import splits_inside_model
from in2_plugin.training.options import DistillOptions, Normalization, Objective, Weighting, own_loss_option

FUSED = {"cut_cross_entropy": "Cut Cross Entropy", "liger_fused_linear_cross_entropy": "Liger"}
"""Axolotl settings under which a kernel computes head and loss together, with the name of the kernel."""
OWN_LOSSES = ("use_dft", "use_eaft")
"""Axolotl settings that replace the cross-entropy (`compute_loss_func`)."""


class IN2Options(Config):
    """The keys under `in2:`. All are optional; an unknown key is an error."""

    lazy: Literal["auto"] | bool = "auto"
    """Assemble examples when the trainer reads them, and write no prepared dataset. `auto`: lazy wherever the config
    allows it; otherwise the log gives the reason (a dataset of another type, streaming, ...)."""
    answer_logits_only: Literal["auto"] | bool = "auto"
    """Compute logits only at answer tokens. `auto`: the best method for the model and the other settings; the log says
    which."""
    loss_normalization: Normalization = "token"
    """Unit that has equal weight within an optimizer step, over all micro-batches and ranks: every answer `token`, or
    every `example`. Axolotl alone averages within each micro-batch."""
    answer_weighting: Weighting = "token"
    """Weight of an answer token within that mean: equal for every `token`, equal for every answer (`question`), or half
    of each answer's weight on its `opening`, the first tokens up to the point where the answer is unambiguous in the
    context."""
    objective: Objective = "answer"
    """What is trained at each answer token: the stored `answer` (cross-entropy), the distribution of a teacher that
    reads the gold segments alone (`distill`, KL divergence), or `both`, added."""
    distill: DistillOptions | None = None
    """The teacher, and how it counts."""
    number_segments: bool = False
    """Under `rl: grpo`: write the number of each segment before it in the prompt, and ask for those with the answer."""
    length_balanced: bool = True
    """Order examples so that the ranks of a step get similar lengths; random between steps."""
    preflight: bool = True
    """Check data, model and settings before the model is loaded, and log the estimated cost of the run."""
    gpu: str | None = None
    """GPU that the estimates assume, as in `in2 preflight --gpu`."""
    accept_keys: tuple[str, ...] = ()
    """Keys of the config, in dotted form, to accept although Axolotl's schema does not list them."""

    @model_validator(mode="after")
    def _refuse_contradiction(self) -> Self:
        if (self.loss_normalization, self.answer_weighting) == ("example", "question"):
            raise ConfigError(
                "`loss_normalization: example` gives every example the same weight and `answer_weighting: question` "
                "every answer; remove one of the two"
            )
        DistillOptions.of(self.distill, self.objective)
        return self

    @property
    def distillation(self) -> DistillOptions:
        """Return `distill`, or its defaults."""
        return DistillOptions.of(self.distill, self.objective)

    @property
    def own_loss(self) -> str | None:
        """Return the option for which we compute the loss, as written in a config; None if the host does."""
        return own_loss_option(self.loss_normalization, self.answer_weighting, self.objective)


class IN2Args(BaseModel):
    """Axolotl merges this model into its own schema."""

    in2: IN2Options | None = None


def options_of(cfg: object) -> IN2Options:
    """Return the options under `in2:` of a config, validated by Axolotl or not."""
    given = getattr(cfg, "in2", None)
    return given if isinstance(given, IN2Options) else IN2Options.model_validate(dict(given or {}))


def config_full_logits_reason(cfg: Mapping[str, Any]) -> str | None:
    """Return why a config needs logits at every token, or None if it does not."""
    if splits_inside_model(cfg):
        return "context parallelism splits rows inside the model"
    if cfg.get("label_smoothing_factor"):
        return "label smoothing uses the logits and labels of the whole row"
    return next(
        (f"`{name}: true` uses the logits and labels of the whole row" for name in OWN_LOSSES if cfg.get(name)), None
    )


def fused_loss(options: IN2Options, cfg: Mapping[str, Any]) -> str | None:
    """Return the FUSED setting that computes head and loss, or None if we compute them."""
    # the kernels return no loss of each token
    if options.answer_logits_only is True or options.own_loss:
        return None
    return next((name for name in FUSED if cfg.get(name)), None)
