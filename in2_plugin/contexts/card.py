"""The dataset card: what the dataset is, for a reader and for `datasets.load_dataset`.

Its header names examples.parquet as the data, so that the folder loads as a dataset although it holds other
Parquet files. The name of the configuration holds a digest of that data: `datasets` 4.8 caches a local folder with
such a header under its own name, the configuration's name and nothing of the files' contents, so that without it
another dataset in a folder of the same name, or the same one built again, would be served stale rows.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from in2_plugin.contexts.dataset import Manifest

_CARD = """---
configs:
- config_name: build-{digest}
  data_files:
  - split: train
    path: examples.parquet
tags:
- in2
- long-context
---

# IN2 dataset

Information-intensive training data (An et al., arXiv 2404.16811), written by in2-plugin {version}.

| | |
|---|---|
| tokenizer | `{tokenizer}` ({tokenizer_fingerprint}) |
| template | `{template}` ({template_fingerprint}) |
| examples | {examples:,} ({fine_grained:,} fine-grained, {integration:,} integration) |
| tokens | {tokens:,}, of them {answer_tokens:,} supervised |
| longest example | {longest:,} tokens: the trainer's `sequence_len` must be at least this |
| corpus | {documents:,} documents, {segments:,} segments |

Questions by the `{writer}` writer. An example is a plan: the ids of its segments in reading order. Token ids are
put together from `segments/` when a trainer asks for them.

## Build file

```json
{build}
```
"""


def dataset_card(manifest: "Manifest", digest: str, audit: Mapping[str, Any] | None = None) -> str:
    """README.md of a dataset folder whose examples.parquet has this digest."""
    counts = {"fine_grained": 0, "integration": 0, **manifest.counts}
    facts = {name: getattr(manifest, name) for name in manifest.__dataclass_fields__ if name not in {"counts", "build"}}
    build = json.dumps(manifest.build, indent=2, ensure_ascii=False)
    writer = manifest.build["questions"]["writer"]
    return _CARD.format(**{**counts, **facts, "build": build, "writer": writer, "digest": digest})
