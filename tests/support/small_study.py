"""A study file at a very small size, and its model, for the evidence harness."""

from pathlib import Path
from typing import Any

import yaml

PARTS = {"integration": 0, "short_context": 0}
STUDY: dict[str, Any] = {
    "seeds": [0],
    "probe_seed": 1,
    "trained_length": 1_024,
    "save_steps": 2,
    "tolerance": 0.15,
    "texts": {"sources": [{"path": "bundled:python-docs", "limit": 300}], "held_out": 0.4},
    "build": {
        "corpus": {"segment_tokens": 32, "decontamination": {"ngram": None}},
        "workers": 1,
        "audit": {"answer_tokens": [2, 512]},
    },
    "training": {
        "learning_rate": 0.001, "num_train_epochs": 1, "attn_implementation": "sdpa", "gradient_checkpointing": False,
        "logging_steps": 1, "per_device_train_batch_size": 2,
    },
    "first": {
        "build": {
            "mixture": {"fine_grained": 24, **PARTS}, "questions_per_context": 2, "lengths": {"min": 384, "max": 512},
        }
    },
    "second": {
        "build": {
            "mixture": {"fine_grained": 16, **PARTS}, "questions_per_context": 2, "lengths": {"min": 800, "max": 1_024},
        }
    },
    "arms": {
        "start": {"second_stage": False},
        "edges": {"build": {"positions": {"strategy": "histogram", "weights": [1, 0, 0, 0, 1]}},
                  "gold_in_fifths": [0, 4]},
        "uniform": {},
    },
    "own_probe": {
        "corpus": {"segment_tokens": 32}, "lengths": [1_024], "fine_grained": 4, "integration": 0, "workers": 1,
    },
    "held_out_questions": {
        "mixture": {"fine_grained": 8, **PARTS}, "questions_per_context": 2, "lengths": {"min": 800, "max": 1_024},
    },
    "measures": {"own": {"tasks": "in2_probe", "max_gen_toks": 8}},
}  # fmt: skip


def write_study(path: Path, **changes: Any) -> Path:
    """Write the study file with other values for some of its keys."""
    path.write_text(yaml.safe_dump({**STUDY, **changes}, sort_keys=False))
    return path
