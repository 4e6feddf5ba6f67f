"""Write README.md of an export: header for `datasets.load_dataset`, training examples, and provenance."""

import hashlib
from collections.abc import Sequence
from string import Template
from typing import TYPE_CHECKING

from in2_plugin.sharing.card import header, length_facts, provenance, table
from in2_plugin.sharing.formats import Format
from in2_plugin.sharing.shards import ExportShard

if TYPE_CHECKING:
    from in2_plugin.dataset.reader import Manifest

_TRL = """\
```python
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

dataset = load_dataset("PATH", split="train")
# TRL cuts rows at 1,024 tokens, answers first, unless told not to
config = SFTConfig("out", max_length=None$more)
SFTTrainer("$tokenizer", args=config, train_dataset=dataset).train()
```
"""
_AXOLOTL = """\
```yaml
datasets:
  - path: PATH$type
sequence_len: $longest
```
"""
_GRPO = """\
```
trl grpo --model_name_or_path $tokenizer --dataset_name PATH --reward_funcs in2_plugin.rewards.answer
```
"""
USES = {
    Format.MESSAGES: (("TRL", _TRL, ", assistant_only_loss=True"), ("Axolotl", _AXOLOTL, "\n    type: chat_template")),
    Format.PROMPT_COMPLETION: (("TRL", _TRL, ", completion_only_loss=True"),),
    Format.TOKENIZED: (("TRL", _TRL, ""), ("Axolotl", _AXOLOTL, "")),
    Format.AXOLOTL: (("Axolotl", _AXOLOTL, "\n    type: input_output"),),
    Format.GRPO: (("TRL", _GRPO, ""),),
}
"""Trainers that accept each format, with the settings they need."""


def export_card(
    manifest: "Manifest", form: Format, rows: int, shards: Sequence[ExportShard], notes: Sequence[str]
) -> str:
    """Return README.md of an export with these files."""
    # the name of the configuration contains a digest of the data, for the reason given in card.py
    digest = hashlib.sha256("".join(shard.sha256 for shard in shards).encode()).hexdigest()[:16]
    facts = [
        ("format", f"`{form}`, {rows:,} rows"),
        ("tokenizer", f"`{manifest.tokenizer}` ({manifest.tokenizer_fingerprint})"),
        ("template", f"`{manifest.template}` ({manifest.template_fingerprint})"),
    ]
    return "\n\n".join(
        [
            header(manifest, f"{form}-{digest}", "data/train-*", rows),
            "# IN2 dataset, written out",
            "Information-intensive training data (An et al., arXiv 2404.16811), built by in2-plugin "
            f"{manifest.version} and written out with `in2 export --to {form}`.",
            table([*facts, *length_facts(manifest)]),
            *(f"Note: {note}." for note in notes),
            "## Training",
            *(_use(manifest, *use) for use in USES[form]),
            provenance(manifest, None),
        ]
    )


def _use(manifest: "Manifest", trainer: str, text: str, more: str) -> str:
    example = Template(text).substitute(more=more, type=more, tokenizer=manifest.tokenizer, longest=manifest.longest)
    return f"{trainer}, with `PATH` the folder or hub name of this export:\n\n{example.strip()}"
