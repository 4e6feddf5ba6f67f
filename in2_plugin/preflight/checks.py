"""Check an Axolotl config against its data and model: pure functions from a `Case` to findings.

Invariant: every finding has a remedy that can be typed into the config. The checks of chat templates are in
`templates`.
"""

from collections.abc import Callable, Iterator

from in2_plugin.preflight.context_parallel import check_context_parallelism
from in2_plugin.preflight.costs import GIB
from in2_plugin.preflight.dataset_summary import DatasetSummary
from in2_plugin.preflight.findings import Case, ConfigFinding, Level
from in2_plugin.preflight.templates import check_templates
from in2_plugin.preflight.training_setup import keeps_master
from in2_plugin.training.axolotl.context_parallel import splits_inside_model
from in2_plugin.training.axolotl.plugins import has_plugin

LONG = 8_192
"""Tokens from which attention must not store a score for each pair of tokens."""
SMALL_STEP = 1e-5
"""Learning rate below which a bf16 weight of usual size does not change: neighbouring values are 0.4% apart."""
TIGHT, TOO_MUCH = 0.92, 1.1
"""Shares of a GPU's memory from which an estimate is a warning and an error."""


def findings_of(case: Case) -> list[ConfigFinding]:
    """Return all findings, errors first."""
    order = {"error": 0, "warning": 1, "note": 2}
    found = [finding for check in CHECKS for finding in check(case)]
    return sorted(found, key=lambda finding: order[finding.level])


def check_lengths(case: Case) -> Iterator[ConfigFinding]:
    """Find rows that the trainer refuses, drops or truncates, and the answers lost with them."""
    for dataset in case.datasets:
        yield from _length_findings(dataset, case.cfg.sequence_len)


def _length_findings(dataset: DatasetSummary, limit: int) -> Iterator[ConfigFinding]:
    rows = f"of {dataset.looked_at:,} rows checked"
    room = f"set `sequence_len: {dataset.longest}` or more, or build with a lower lengths.max"
    number = "" if dataset.longest_row is None else f" is row {dataset.longest_row} and"
    longest = f" (the longest{number} has {dataset.longest:,} tokens)" if limit and dataset.longest > limit else ""
    if dataset.refused:
        over = f"{dataset.refused:,} {rows} are longer than `sequence_len: {limit}`"
        what = f"{over}{longest}, and the trainer stops at them"
        yield ConfigFinding("error", dataset.path, what, room)
    if dataset.losing:
        what = (
            f"{dataset.losing:,} {rows} are truncated at `sequence_len: {limit}`{longest} and lose answer tokens "
            f"({dataset.lost_answer_tokens:,} in total)"
        )
        yield ConfigFinding("error", dataset.path, what, room)
    elif dataset.cut:
        what = (
            f"{dataset.cut:,} {rows} are truncated at `sequence_len: {limit}`{longest}, so their context is incomplete"
        )
        yield ConfigFinding("error", dataset.path, what, room)
    if dataset.dropped:
        level: Level = "error" if dataset.longest > limit else "warning"
        what = f"{dataset.dropped:,} {rows} are dropped with {dataset.lost_answer_tokens:,} answer tokens{longest}"
        yield ConfigFinding(level, dataset.path, what, room if level == "error" else "remove the empty rows")
    if dataset.looked_at and not len(dataset.lengths):
        yield ConfigFinding("error", dataset.path, "no row is left to train on", room)


def check_labels(case: Case) -> Iterator[ConfigFinding]:
    """Find rows without a label, and loss on the prompt."""
    for dataset in case.datasets:
        if dataset.unlabelled:
            what = f"{dataset.unlabelled:,} of {dataset.looked_at:,} rows checked have no supervised token"
            yield ConfigFinding(
                "error", dataset.path, what, "raise `sequence_len`, or remove the rows without an answer"
            )
        if not dataset.masks_prompt and not case.cfg.train_on_inputs:
            what = f"every token is supervised under `type: {dataset.type}`, so the context dominates the loss"
            yield ConfigFinding(
                "warning", dataset.path, what, "use `type: in2`, or a type that masks the prompt (chat_template)"
            )
    if case.cfg.train_on_inputs:
        ours = all(dataset.is_in2 for dataset in case.datasets)
        what = (
            "has no effect on `type: in2`, which computes the loss only on answers"
            if ours
            else "computes the loss on the context too, some hundred tokens per answer token"
        )
        yield ConfigFinding("note" if ours else "error", "train_on_inputs", what, "remove `train_on_inputs: true`")


def check_window(case: Case) -> Iterator[ConfigFinding]:
    """Find a sliding window smaller than the context: tokens farther back are never seen (paper section 4.5)."""
    config = case.model.config
    window = getattr(config, "sliding_window", None)
    if not window or window >= case.longest or getattr(config, "use_sliding_window", True) is False:
        return
    layers = getattr(config, "layer_types", None) or []
    where = f"{case.model.name}: sliding_window"
    what = f"a window of {window:,} tokens is smaller than the longest example ({case.longest:,})"
    if full := sum(kind == "full_attention" for kind in layers):
        share = f"in {len(layers) - full} of {len(layers)} layers; the other layers see the whole context"
        yield ConfigFinding("note", where, f"{what} {share}", "no change is needed")
        return
    remedy = "set `overrides_of_model_config: {sliding_window: null}`, or use a model without a window"
    yield ConfigFinding("error", where, f"{what}, so the model cannot learn from evidence farther back", remedy)


def check_positions(case: Case) -> Iterator[ConfigFinding]:
    """Find examples with more positions than the model supports."""
    config, longest = case.model.config, case.longest
    most = getattr(config, "max_position_embeddings", None)
    if not most or most >= longest:
        return
    where = f"{case.model.name}: max_position_embeddings"
    what = f"the model supports {most:,} positions, and the longest example has {longest:,}"
    rope = getattr(config, "rope_parameters", None) or {}
    rope = rope.get("full_attention", rope)  # models with different kinds of layers
    kind, factor = rope.get("rope_type", "default"), rope.get("factor") or 1.0
    original = rope.get("original_max_position_embeddings") or most
    if kind != "default" and original * factor >= longest:
        remedy = f"set `overrides_of_model_config: {{max_position_embeddings: {longest}}}`"
        what = f"{what}, although its RoPE is scaled far enough ({kind}, {factor:g})"
        yield ConfigFinding("warning", where, what, remedy)
        return
    theta, times = rope.get("rope_theta", 10_000.0), -(-longest // original)
    scaling = f"{{rope_type: yarn, rope_theta: {theta:.1f}, factor: {times:.1f}"
    remedy = (
        f"use a model for longer contexts, or set `overrides_of_model_config: {{max_position_embeddings: {longest}, "
        f"rope_parameters: {scaling}, original_max_position_embeddings: {original}}}}}`"
    )
    yield ConfigFinding("error", where, f"{what}; its RoPE is not scaled that far", remedy)


def check_attention(case: Case) -> Iterator[ConfigFinding]:
    """Find attention that is too expensive at this length."""
    if case.longest < LONG:
        return
    kind = case.cfg.attn_implementation or "sdpa"
    remedy = "set `attn_implementation: flash_attention_2`"
    if not case.setup.flash:
        what = f"stores a score for each pair of {case.longest:,} tokens, in every head"
        yield ConfigFinding("warning", f"attn_implementation: {kind}", what, remedy)
    elif kind == "sdpa" and (case.setup.micro_batch > 1 or case.cfg.sample_packing):
        what = f"builds a mask over each pair of {case.longest:,} tokens for padded or packed rows"
        yield ConfigFinding("warning", "attn_implementation: sdpa", what, remedy)


def check_logits(case: Case) -> Iterator[ConfigFinding]:
    """Find logits that are computed but not used."""
    if splits_inside_model(case.cfg):
        if has_plugin(case.cfg) and case.setup.logits == "all":
            what = "splits rows inside the model, so logits are computed for every token"
            remedy = "set `cut_cross_entropy: true` with its plugin, which never holds all logits"
            yield ConfigFinding("note", "context_parallel_size", what, remedy)
        return
    if case.setup.logits == "all" and case.longest >= LONG:
        size = case.memory.logits / GIB
        what = f"logits are computed for all {case.longest:,} positions and take {size:.1f} GiB"
        remedy = "add `in2_plugin.axolotl.IN2Plugin` to `plugins:` and do not set `answer_logits_only: false`"
        yield ConfigFinding("warning", "in2: answer_logits_only", what, remedy)


def check_memory(case: Case) -> Iterator[ConfigFinding]:
    """Compare the memory estimate with the memory of the GPU."""
    need, have = case.memory.total, case.gpu.memory
    if need <= have * TIGHT:
        return
    each, whole = ("", "this machine") if case.gpu.is_cpu else (" per GPU", f"the {case.gpu.name}")
    what = f"the run needs about {need / GIB:.0f} GiB{each}, and {whole} has {have / GIB:.0f}"
    yield ConfigFinding("error" if need > have * TOO_MUCH else "warning", "memory", what, _memory_remedy(case))


def _memory_remedy(case: Case) -> str:
    """Return the change that saves the most on the largest part."""
    setup, parts = case.setup, case.memory
    third = parts.total / 3
    remedies = (
        (
            parts.logits > third and setup.logits == "all",
            "add `in2_plugin.axolotl.IN2Plugin` to `plugins:`, which computes logits only at answers",
        ),
        (parts.activations > third and not setup.checkpointing, "set `gradient_checkpointing: true`"),
        (
            parts.activations + parts.logits > third and setup.micro_batch > 1,
            "set `micro_batch_size: 1` and raise `gradient_accumulation_steps`",
        ),
        (
            setup.gpus > 1 and not setup.shard_weights,
            "shard weights, gradients and optimizer over the GPUs with `deepspeed:` (ZeRO-3) or `fsdp_config:`",
        ),
        (
            setup.trained is None and not setup.offload_optimizer,
            "offload the optimizer (ZeRO-3), use more GPUs, or train adapters (`adapter: lora`)",
        ),
        (setup.checkpointing and not setup.offload_activations, "set `activation_offloading: true`, or use more GPUs"),
        (True, "use more or larger GPUs, or build shorter examples"),
    )
    return next(remedy for applies, remedy in remedies if applies)


def check_precision(case: Case) -> Iterator[ConfigFinding]:
    """Find bf16 weights without a float32 copy, which do not change under a small learning rate, and float32."""
    cfg = case.cfg
    name = str(cfg.optimizer or "adamw_torch_fused")
    plain = name.startswith(("adamw_torch", "adamw_hf", "adamw_bnb", "adamw_8bit", "paged_adamw"))
    rate = float(cfg.learning_rate or 0)
    if case.setup.compute_bytes == 2 and plain and not keeps_master(cfg) and 0 < rate < SMALL_STEP:
        what = f"bf16 weights without a float32 copy round away updates of {rate:g}, so the model hardly changes"
        remedy = "use `deepspeed:` or `fsdp_config:`, which keep a float32 copy, or set `optimizer: optimi_adamw`"
        yield ConfigFinding("warning", "bf16", what, remedy)
    if case.setup.compute_bytes == 4 and not case.gpu.is_cpu:
        what = "is off, and the estimated time is for bf16: in float32 a GPU takes several times longer"
        yield ConfigFinding("note", "bf16", what, "set `bf16: true`, or `--gpu CPU` for a run on the CPU")


def check_order(case: Case) -> Iterator[ConfigFinding]:
    """Find settings that change the order of examples, hold examples out or slow the run down."""
    cfg = case.cfg
    if cfg.seed is None:
        what = "is not set, so the order of examples differs from run to run"
        yield ConfigFinding("warning", "seed", what, "set e.g. `seed: 42`")
    if cfg.sample_packing and any(dataset.is_in2 for dataset in case.datasets):
        what = "packs several examples into a row, which saves little when examples fill the context"
        yield ConfigFinding("note", "sample_packing", what, "remove it, unless most examples are short")
    if cfg.val_set_size:
        what = f"{cfg.val_set_size:g} of the examples are held out of training"
        remedy = "remove it to train on all examples; the VAL probes measure the effect"
        yield ConfigFinding("note", "val_set_size", what, remedy)
    if not case.setup.checkpointing and case.longest >= LONG:
        what = "is off, so every layer stores the activations of its backward pass"
        yield ConfigFinding("warning", "gradient_checkpointing", what, "set `gradient_checkpointing: true`")


def check_dataset_list(case: Case) -> Iterator[ConfigFinding]:
    """Find missing datasets and datasets that were not checked."""
    if not case.cfg.datasets:
        yield ConfigFinding("error", "datasets", "there is no dataset", "list the folder that `in2 build` wrote")
    for dataset in case.datasets:
        if not dataset.looked_at:
            what, remedy = f"was not checked: {dataset.seen}", "run `in2 preflight` on the config"
            yield ConfigFinding("note", dataset.path, what, remedy)


CHECKS: tuple[Callable[[Case], Iterator[ConfigFinding]], ...] = (
    check_dataset_list,
    check_lengths,
    check_labels,
    check_window,
    check_positions,
    check_templates,
    check_context_parallelism,
    check_attention,
    check_logits,
    check_memory,
    check_precision,
    check_order,
)
