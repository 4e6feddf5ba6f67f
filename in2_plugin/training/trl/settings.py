"""Set the `SFTConfig` settings that IN2 examples need, and refuse those that would silently break them.

TRL prepares datasets itself: it truncates at `max_length` (1,024 by default), which removes the answer, and it packs.
Neither applies to lazily assembled examples, so a config that requests it is refused.
"""

from collections.abc import Iterator
from typing import Any

from in2_plugin.errors import ConfigError


def sft_settings() -> dict[str, Any]:
    """Return the keyword arguments that `SFTConfig` needs for a dataset from `load_in2_dataset`."""
    return {
        "max_length": None,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "remove_unused_columns": False,
        "packing": False,
    }


def refuse_incompatible(args: Any, longest: int) -> None:
    """Refuse settings that conflict with IN2 examples.

    Args:
        args: an `SFTConfig`.
        longest: tokens of the longest example.

    Raises:
        ConfigError: names the first such setting and the value to set.
    """
    for sentence in _conflicts(args, longest):
        raise ConfigError(sentence)


def _conflicts(args: Any, longest: int) -> Iterator[str]:
    for name in ("packing", "eval_packing"):
        if getattr(args, name, None):
            yield f"`{name}: true` has no effect on lazily assembled examples; set `{name}: false`"
    if args.max_length is not None and args.max_length < longest:
        yield (
            f"`max_length: {args.max_length}` is below the longest example, which has {longest:,} tokens with the "
            "answer at the end; remove `max_length`, or build with a lower lengths.max"
        )
    if args.padding_free and args.max_length is not None:
        yield "`padding_free: true` requires `max_length: null`, because TRL cannot truncate there; set both"
    yield from _dataset_conflicts(args)
    yield from _loss_conflicts(args)


def _dataset_conflicts(args: Any) -> Iterator[str]:
    if not (args.dataset_kwargs or {}).get("skip_prepare_dataset"):
        yield (
            "TRL would prepare the examples again; set `dataset_kwargs: {skip_prepare_dataset: true}`, as "
            "`sft_settings()` does"
        )
    if args.remove_unused_columns:
        yield (
            "`remove_unused_columns: true` would remove the column of example numbers; set it to false, as "
            "`sft_settings()` does"
        )
    if args.chat_template_path is not None:
        yield (
            "`chat_template_path` would change the chat template that the dataset was built with; save the tokenizer "
            "with that template and build the dataset for it"
        )
    if args.train_sampling_strategy == "group_by_length":
        yield (
            "`train_sampling_strategy: group_by_length` would read every example to measure its length; remove it, the "
            "order is length-balanced anyway"
        )


def _loss_conflicts(args: Any) -> Iterator[str]:
    if args.assistant_only_loss:
        yield "`assistant_only_loss: true` works only on messages, and IN2 labels already cover only answers; remove it"
    if args.completion_only_loss is False:
        yield "`completion_only_loss: false` has no effect, because IN2 labels already cover only answers; remove it"
    if args.loss_type == "dft":
        yield (
            "`loss_type: dft` weights answer tokens by their probability; remove it to train on the mean over answer "
            "tokens, as IN2 training does"
        )
    if args.label_smoothing_factor:
        yield "`label_smoothing_factor` needs the logits of every token of the context; remove it"
