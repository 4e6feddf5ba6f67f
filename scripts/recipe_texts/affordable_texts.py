"""What the READMEs of the affordable recipes say in words.

Invariant: no figure stands here that is not a source's own; what is computed comes from `affordable_costs`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from recipe_texts.film_texts import BEFORE, HUNDREDTH, Row


@dataclass(frozen=True, slots=True)
class Story:
    """What a README says that its tables of values do not."""

    title: str
    """Shown by `in2 recipes list`: what, on what."""
    what: str
    """First line of the trainer's file."""
    purpose: str
    expectation: str
    scores: tuple[Row, ...] = ()
    needed: tuple[str, ...] = ()
    """Beyond packages, GPUs, disk and the endpoint."""
    troubles: tuple[str, ...] = ()


NOT_THE_PAPER = "The paper trained all weights of Mistral-7B-Instruct-v0.2 and no adapter, and no other model."
OWN_BASELINE = (
    "The paper has no figures for this model, and we know of none by others: what `eval.sh` measures before the "
    "training is what to compare with. The paper's Mistral gains most in the middle of the context, on code and "
    "databases, and 1% of its data gives most of the gain (Table 6)."
)
FROM_THE_PAPER = (
    "For comparison, the paper's figures for the same model with all weights trained on 1% of the data "
    "(`film-7b-1pct`). They are of the paper's own probes, which `TASKS=val_probe_paper ./eval.sh ...` asks; "
    "figures of `val_probe` are not comparable with them."
)
THOUGHTS = (
    "**Answers begin with `<think>`**: the model was asked with thinking on. Trained is the form without thoughts: "
    "Qwen3's template puts an empty block of thoughts before an answer, which is in the prompt and has no loss. "
    "Ask with `enable_thinking: false`, as eval.sh does. What training does to answers with thoughts is not measured.",
)
GATED = ("Access to the weights: accept Meta's licence on the model's page, then `hf auth login`.",)
DATE = (
    "**The dataset is refused as one of another template**: Llama 3.1's template writes a fixed date (26 Jul 2024); a "
    "tokenizer with another template, such as Llama 3.2's, which writes today's, cannot be used for this dataset.",
)
SCALED = (
    "**Worse on short texts**: the scaling is static, it acts at every length. Qwen's card advises against it for "
    "texts that fit the native window. Keep the model as it was for those.",
    "**`ring_flash_attn is not installed`**: only axolotl-context-parallel.yml needs it; see Needed.",
    "**Losses of the two files differ**: with context parallelism each rank averages its own answer tokens, as "
    "Axolotl does; without, every answer token of a step weighs the same (docs/training.md).",
)
EXTENDED = (
    "Nobody has run this. The paper has one figure beyond 32K tokens: with YaRN at 64K, FILM-7B is better than its "
    "base, and both lose the middle; a longer window does not bring the skill to use it. This recipe trains at the "
    "length that it is to be used at, which the paper did not do. There are no figures to compare with but those "
    "before."
)

STORIES: Mapping[str, Story] = {
    "lora-80gb": Story(
        title="LoRA on one 80 GB GPU: 17,500 examples of 4K to 32K tokens, on Mistral-7B-Instruct-v0.2",
        what="IN2 training with LoRA on one 80 GB GPU",
        purpose=f"one GPU, and for adapters that are switched on and off. {NOT_THE_PAPER} Whether an adapter "
        "learns as much is not known.",
        expectation=f"Nobody has run this. {FROM_THE_PAPER}",
        scores=(BEFORE, HUNDREDTH),
    ),
    "qlora-24gb": Story(
        title="QLoRA on one 24 GB GPU: 8,750 examples of 4K to 16K tokens, on Mistral-7B-Instruct-v0.2 in 4 bits",
        what="IN2 training with QLoRA on one 24 GB GPU",
        purpose=f"an RTX 4090 or 3090. {NOT_THE_PAPER} Contexts end at 16K tokens, half of the model's window.",
        expectation=f"Nobody has run this, and at 32K tokens it is not trained at all. {FROM_THE_PAPER}",
        scores=(BEFORE, HUNDREDTH),
    ),
    "llama-3.1-8b": Story(
        title="Llama-3.1-8B-Instruct: 17,500 examples of 4K to 32K tokens, all weights, on eight 80 GB GPUs",
        what="IN2 training of Llama-3.1-8B-Instruct with ZeRO-3",
        purpose=f"IN2 training of a model that reads 128K tokens already. {NOT_THE_PAPER}",
        expectation=f"Nobody has run this. {OWN_BASELINE}",
        needed=GATED,
        troubles=DATE,
    ),
    "qwen3-4b": Story(
        title="Qwen3-4B without thoughts: 17,500 examples of 4K to 32K tokens, all weights, on eight 80 GB GPUs",
        what="IN2 training of Qwen3-4B with ZeRO-3",
        purpose=f"the smallest of these models, and the cheapest full fine-tuning. {NOT_THE_PAPER}",
        expectation=f"Nobody has run this. {OWN_BASELINE}",
        troubles=THOUGHTS,
    ),
    "qwen3-8b": Story(
        title="Qwen3-8B without thoughts: 17,500 examples of 4K to 32K tokens, all weights, on eight 80 GB GPUs",
        what="IN2 training of Qwen3-8B with ZeRO-3",
        purpose=f"IN2 training of a present model, within its native 32K tokens. {NOT_THE_PAPER}",
        expectation=f"Nobody has run this. {OWN_BASELINE}",
        troubles=THOUGHTS,
    ),
    "yarn-64k": Story(
        title="64K tokens with YaRN: 17,500 examples of 4K to 64K tokens, on Qwen3-8B, on eight 80 GB GPUs",
        what="IN2 training of Qwen3-8B at twice its native window, with YaRN",
        purpose="twice the native window of 32,768 tokens. Two files train the same: axolotl.yml with whole rows "
        "on each GPU, axolotl-context-parallel.yml with each row spread over four. Take the first where it fits: "
        "logits are computed at answers alone, every answer token of a step weighs the same, and nothing else has "
        "to be installed.",
        expectation=EXTENDED,
        troubles=(*THOUGHTS, *SCALED),
    ),
    "yarn-128k": Story(
        title="128K tokens with YaRN: 8,750 examples of 4K to 128K tokens, on Qwen3-8B, on eight 80 GB GPUs",
        what="IN2 training of Qwen3-8B at four times its native window, with YaRN",
        purpose="four times the native window of 32,768 tokens, the most that Qwen's card names. Two files train "
        "the same: axolotl.yml with whole rows on each GPU and activations in the host's memory, "
        "axolotl-context-parallel.yml with each row spread over four GPUs. Take the first where it fits: logits "
        "are computed at answers alone, every answer token of a step weighs the same, and nothing else has to be "
        "installed.",
        expectation=EXTENDED,
        troubles=(*THOUGHTS, *SCALED),
    ),
    "trl-zero3": Story(
        title="TRL and DeepSpeed ZeRO-3: the 1% run of FILM-7B on eight 80 GB GPUs, on Mistral-7B-Instruct-v0.2",
        what="IN2 training with TRL and DeepSpeed ZeRO-3",
        purpose="film-7b-1pct for those who train with TRL: same mixture, lengths, batch and learning rate.",
        expectation=f"Nobody has run this. {FROM_THE_PAPER}",
        scores=(BEFORE, HUNDREDTH),
        troubles=(
            "**Another number of GPUs**: `num_processes` in accelerate.yml, and `gradient_accumulation_steps` in "
            "sft.yml so that their product stays 128.",
        ),
    ),
}
