"""Checks of an Axolotl configuration against its data and model: pure, from a `Case` to findings.

Invariant: every finding has a remedy that can be typed into the file. Those of chat templates are in `templates`.
"""

from collections.abc import Callable, Iterator

from in2_plugin.preflight.costs import GIB
from in2_plugin.preflight.findings import Case, ConfigFinding, Level
from in2_plugin.preflight.training_setup import has_plugin, keeps_master
from in2_plugin.preflight.templates import check_templates

LONG = 8_192
"""Tokens from which attention must not keep a score for each pair of tokens."""
SMALL_STEP = 1e-5
"""Learning rate below which a bf16 weight of usual size does not change: its neighbours are 0.4% away."""
TIGHT, TOO_MUCH = 0.92, 1.1
"""Shares of a GPU's memory: an estimate above the first is worth a word, above the second the run will not fit."""


def findings_of(case: Case) -> list[ConfigFinding]:
    """All findings, errors first."""
    order = {"error": 0, "warning": 1, "note": 2}
    found = [finding for check in CHECKS for finding in check(case)]
    return sorted(found, key=lambda finding: order[finding.level])


def check_lengths(case: Case) -> Iterator[ConfigFinding]:
    """Rows that are refused, dropped or cut, and answers that go with them."""
    limit = case.cfg.sequence_len
    for facts in case.facts:
        rows = f"of {facts.looked_at:,} rows looked at"
        room = f"set `sequence_len: {facts.longest}` or more, or build with a lower lengths.max"
        if facts.refused:
            what = f"{facts.refused:,} {rows} are longer than `sequence_len: {limit}`, and the trainer stops at them"
            yield ConfigFinding("error", facts.path, what, room)
        if facts.losing:
            what = (
                f"{facts.losing:,} {rows} are cut at `sequence_len: {limit}` and lose answer tokens "
                f"({facts.lost_answer_tokens:,} in all)"
            )
            yield ConfigFinding("error", facts.path, what, room)
        elif facts.cut:
            what = f"{facts.cut:,} {rows} are cut at `sequence_len: {limit}`, so what they ask about is incomplete"
            yield ConfigFinding("error", facts.path, what, room)
        if facts.dropped:
            level: Level = "error" if facts.longest > limit else "warning"
            what = f"{facts.dropped:,} {rows} are dropped, {facts.lost_answer_tokens:,} answer tokens with them"
            yield ConfigFinding(level, facts.path, what, room if level == "error" else "remove the rows that are empty")
        if facts.looked_at and not len(facts.lengths):
            yield ConfigFinding("error", facts.path, "no row is left to train on", room)


def check_labels(case: Case) -> Iterator[ConfigFinding]:
    """Rows without a label, and loss on the prompt."""
    for facts in case.facts:
        if facts.unlabelled:
            what = f"{facts.unlabelled:,} of {facts.looked_at:,} rows looked at are trained on without any answer token"
            yield ConfigFinding("error", facts.path, what, "raise `sequence_len`, or remove the rows that have no answer")
        if not facts.masks_prompt and not case.cfg.train_on_inputs:
            what = f"every token is supervised under `type: {facts.type}`, so the context drowns the answers"
            yield ConfigFinding(
                "warning", facts.path, what, "use `type: in2`, or a type that masks the prompt (chat_template)"
            )
    if case.cfg.train_on_inputs:
        ours = all(facts.is_in2 for facts in case.facts)
        what = (
            "has no effect on `type: in2`, whose loss is on answers alone"
            if ours
            else "puts the loss on the context, some hundred tokens of it for each answer token"
        )
        yield ConfigFinding("note" if ours else "error", "train_on_inputs", what, "remove `train_on_inputs: true`")


def check_window(case: Case) -> Iterator[ConfigFinding]:
    """A sliding window smaller than the context: what stands farther back is never seen (paper section 4.5)."""
    config = case.model.config
    window = getattr(config, "sliding_window", None)
    if not window or window >= case.longest or getattr(config, "use_sliding_window", True) is False:
        return
    layers = getattr(config, "layer_types", None) or []
    where = f"{case.model.name}: sliding_window"
    what = f"a window of {window:,} tokens is smaller than the longest example ({case.longest:,})"
    if full := sum(kind == "full_attention" for kind in layers):
        share = f"in {len(layers) - full} of {len(layers)} layers; the others see the whole context"
        yield ConfigFinding("note", where, f"{what} {share}", "nothing is to be done")
        return
    remedy = "set `overrides_of_model_config: {sliding_window: null}`, or take a model without a window"
    yield ConfigFinding("error", where, f"{what}, so evidence farther back cannot be learned from", remedy)


def check_positions(case: Case) -> Iterator[ConfigFinding]:
    """Positions that the model was not made for."""
    config, longest = case.model.config, case.longest
    most = getattr(config, "max_position_embeddings", None)
    if not most or most >= longest:
        return
    where = f"{case.model.name}: max_position_embeddings"
    what = f"the model is made for {most:,} positions, and the longest example has {longest:,}"
    rope = getattr(config, "rope_parameters", None) or {}
    rope = rope.get("full_attention", rope)  # of models whose layers differ
    kind, factor = rope.get("rope_type", "default"), rope.get("factor") or 1.0
    original = rope.get("original_max_position_embeddings") or most
    if kind != "default" and original * factor >= longest:
        remedy = f"set `overrides_of_model_config: {{max_position_embeddings: {longest}}}`"
        yield ConfigFinding("warning", where, f"{what}, although its RoPE is scaled far enough ({kind}, {factor:g})", remedy)
        return
    theta, times = rope.get("rope_theta", 10_000.0), -(-longest // original)
    scaling = f"{{rope_type: yarn, rope_theta: {theta:.1f}, factor: {times:.1f}"
    remedy = (
        f"take a model for longer contexts, or set `overrides_of_model_config: {{max_position_embeddings: {longest}, "
        f"rope_parameters: {scaling}, original_max_position_embeddings: {original}}}}}`"
    )
    yield ConfigFinding("error", where, f"{what}; its RoPE is not scaled so far", remedy)


def check_attention(case: Case) -> Iterator[ConfigFinding]:
    """Attention that is too dear at this length."""
    if case.longest < LONG:
        return
    kind = case.cfg.attn_implementation or "sdpa"
    remedy = "set `attn_implementation: flash_attention_2`"
    if not case.setup.flash:
        what = f"keeps a score for each pair of {case.longest:,} tokens, in every head"
        yield ConfigFinding("warning", f"attn_implementation: {kind}", what, remedy)
    elif kind == "sdpa" and (case.setup.micro_batch > 1 or case.cfg.sample_packing):
        what = f"builds a mask for each pair of {case.longest:,} tokens as soon as rows are padded or packed"
        yield ConfigFinding("warning", "attn_implementation: sdpa", what, remedy)


def check_logits(case: Case) -> Iterator[ConfigFinding]:
    """Logits that are computed for nothing."""
    if (case.cfg.context_parallel_size or 1) > 1:
        if has_plugin(case.cfg):
            what = "splits a row, so logits cannot be left out where there is no answer"
            remedy = "set `cut_cross_entropy: true` with its plugin, which needs none of them"
            if case.setup.logits == "all":
                yield ConfigFinding("note", "context_parallel_size", what, remedy)
        return
    if case.setup.logits == "all" and case.longest >= LONG:
        size = case.memory.logits / GIB
        what = f"logits of all {case.longest:,} positions are computed and take {size:.1f} GiB"
        remedy = "add `in2_plugin.axolotl.IN2Plugin` to `plugins:` and do not switch `answer_logits_only` off"
        yield ConfigFinding("warning", "in2: answer_logits_only", what, remedy)


def check_memory(case: Case) -> Iterator[ConfigFinding]:
    """An estimate above what the GPU has."""
    need, have = case.memory.total, case.gpu.memory
    if need <= have * TIGHT:
        return
    what = f"about {need / GIB:.0f} GiB a GPU are needed, and the {case.gpu.name} has {have / GIB:.0f}"
    yield ConfigFinding("error" if need > have * TOO_MUCH else "warning", "memory", what, _saving(case))


def _saving(case: Case) -> str:
    """What saves most of the largest part."""
    setup, parts = case.setup, case.memory
    third = parts.total / 3
    ways = (
        (parts.logits > third and setup.logits == "all", "list our plugin, which computes logits at answers alone"),
        (parts.activations > third and not setup.checkpointing, "set `gradient_checkpointing: true`"),
        (
            parts.activations + parts.logits > third and setup.micro_batch > 1,
            "set `micro_batch_size: 1` and raise `gradient_accumulation_steps`",
        ),
        (
            setup.gpus > 1 and not setup.shard_weights,
            "spread weights, gradients and optimizer over the GPUs with `deepspeed:` (ZeRO-3) or `fsdp_config:`",
        ),
        (
            setup.trained is None and not setup.offload_optimizer,
            "offload the optimizer (ZeRO-3), take more GPUs, or train adapters (`adapter: lora`)",
        ),
        (setup.checkpointing and not setup.offload_activations, "set `activation_offloading: true`, or take more GPUs"),
        (True, "take more or larger GPUs, or build shorter examples"),
    )
    return next(remedy for applies, remedy in ways if applies)


def check_precision(case: Case) -> Iterator[ConfigFinding]:
    """Weights in bf16 without a float32 copy do not move under a small learning rate."""
    cfg = case.cfg
    name = str(cfg.optimizer or "adamw_torch_fused")
    plain = name.startswith(("adamw_torch", "adamw_hf", "adamw_bnb", "adamw_8bit", "paged_adamw"))
    rate = float(cfg.learning_rate or 0)
    if case.setup.compute_bytes == 2 and plain and not keeps_master(cfg) and 0 < rate < SMALL_STEP:
        what = f"bf16 weights without a float32 copy round steps of {rate:g} away, so the model hardly changes"
        remedy = "train with `deepspeed:` or `fsdp_config:`, which keep one, or with `optimizer: optimi_adamw`"
        yield ConfigFinding("warning", "bf16", what, remedy)


def check_order(case: Case) -> Iterator[ConfigFinding]:
    """What makes two runs differ, or the ranks of a step wait."""
    cfg = case.cfg
    if cfg.seed is None:
        what = "is not set, so the order of examples differs from run to run"
        yield ConfigFinding("warning", "seed", what, "set for example `seed: 42`")
    if cfg.sample_packing and any(facts.is_in2 for facts in case.facts):
        what = "puts several examples into a row, which saves little where examples fill the context"
        yield ConfigFinding("note", "sample_packing", what, "leave it out, unless most examples are short")
    if cfg.val_set_size:
        what = f"{cfg.val_set_size:g} of the examples are held out of training"
        yield ConfigFinding("note", "val_set_size", what, "remove it to train on all; the VAL probes measure what counts")
    if not case.setup.checkpointing and case.longest >= LONG:
        what = "is off, so all layers keep what their backward pass needs"
        yield ConfigFinding("warning", "gradient_checkpointing", what, "set `gradient_checkpointing: true`")


def check_dataset_list(case: Case) -> Iterator[ConfigFinding]:
    """Entries that nothing is known of."""
    if not case.cfg.datasets:
        yield ConfigFinding("error", "datasets", "there is none to look at", "list the folder that `in2 build` made")
    for facts in case.facts:
        if not facts.looked_at:
            what, remedy = f"was not looked at: {facts.seen}", "run `in2 preflight` on the file"
            yield ConfigFinding("note", facts.path, what, remedy)


CHECKS: tuple[Callable[[Case], Iterator[ConfigFinding]], ...] = (
    check_dataset_list,
    check_lengths,
    check_labels,
    check_window,
    check_positions,
    check_templates,
    check_attention,
    check_logits,
    check_memory,
    check_precision,
    check_order,
)
