"""An audit of a folder for tests, and rows that it looks at."""

import json
from pathlib import Path

from in2_plugin.config import BuildConfig
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.examples.rendering import Renderer
from in2_plugin.examples.template import Template
from in2_plugin.inspection.audit.run import Audit, audit


def audited(folder: Path, tokenizer: ModelTokenizer, renderer: type[Renderer] = Renderer, **settings: object) -> Audit:
    """What `audit_dataset` does, without loading the tokenizer again; `settings` replace sections of the build file."""
    config = BuildConfig.parse(json.loads((folder / "build.json").read_text()) | settings, "build.json")
    store = SegmentStore(folder / "segments")
    return audit(folder, config, store, renderer(store, tokenizer, Template(config.template, tokenizer)), tokenizer)


def long_ones(content: list[dict]) -> list[dict]:
    """The rows whose positions and lengths are audited."""
    return [row for row in content if row["part"] in ("fine_grained", "integration")]
