"""Which settings of TRL's `SFTConfig` fit IN2 examples, and which would break them without a word.

TRL prepares datasets itself: it cuts the end, where the answer is, at `max_length` (1,024 unless said otherwise), and
packs. Neither happens to examples that are put together lazily, so whoever asks for it is told.
"""

from collections.abc import Iterator
from typing import Any

from in2_plugin.errors import ConfigError


def sft_settings() -> dict[str, Any]:
    """Keyword arguments that `SFTConfig` needs for a dataset from `load_in2_dataset`."""
    return {
        "max_length": None,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "remove_unused_columns": False,
        "packing": False,
    }


def refuse_unfit(args: Any, longest: int) -> None:
    """Refuse settings that IN2 examples cannot be trained with.

    Args:
        args: an `SFTConfig`.
        longest: tokens of the longest example.

    Raises:
        ConfigError: names the first such setting and what to set instead.
    """
    for sentence in _unfit(args, longest):
        raise ConfigError(sentence)


def _unfit(args: Any, longest: int) -> Iterator[str]:
    for name in ("packing", "eval_packing"):
        if getattr(args, name, None):
            yield f"`{name}: true` has no effect on examples that are put together lazily; set `{name}: false`"
    if args.max_length is not None and args.max_length < longest:
        yield (
            f"`max_length: {args.max_length}` is below the longest example, which has {longest:,} tokens, and its "
            f"answer stands at its end; leave `max_length` out (null), or build with a lower lengths.max"
        )
    if args.padding_free and args.max_length is not None:
        yield "`padding_free: true` needs `max_length: null`, since nothing is cut there; set both"
    if not (args.dataset_kwargs or {}).get("skip_prepare_dataset"):
        yield (
            "TRL would prepare the examples anew; set `dataset_kwargs: {skip_prepare_dataset: true}`, as "
            "`sft_settings()` does"
        )
    if args.remove_unused_columns:
        yield (
            "`remove_unused_columns: true` would remove the numbers that examples are found by; set it to false, as "
            "`sft_settings()` does"
        )
    yield from _other_losses(args)
    if args.chat_template_path is not None:
        yield (
            "`chat_template_path` would give the model another chat template than its dataset was built with; save the "
            "tokenizer with that template, and build for it"
        )
    if args.train_sampling_strategy == "group_by_length":
        yield (
            "`train_sampling_strategy: group_by_length` would read every example to measure it; remove it, since the "
            "order is length-balanced anyway"
        )


def _other_losses(args: Any) -> Iterator[str]:
    if args.assistant_only_loss:
        yield "`assistant_only_loss: true` is for messages; the labels of IN2 examples are their answers: remove it"
    if args.completion_only_loss is False:
        yield "`completion_only_loss: false` has no effect: the labels of IN2 examples are their answers; remove it"
    if args.loss_type == "dft":
        yield (
            "`loss_type: dft` weighs answer tokens by their probability and computes logits for the whole context; "
            "remove it to have the mean over answer tokens that IN2 training is defined by"
        )
    if args.label_smoothing_factor:
        yield "`label_smoothing_factor` needs logits for the whole context, which TRL does not compute; remove it"
