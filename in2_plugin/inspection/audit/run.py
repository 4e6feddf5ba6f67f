"""`in2 audit`, also the last stage before the manifest: is a dataset what its build file promises?

Everything is held against the files themselves: places and lengths statistically, counts exactly, and a sample token
by token. Writes audit.json and report.html. Invariants: the same dataset gives the same bytes; a damaged file is one
sentence. Cost: a pass over examples.parquet (45 s a million), one over the texts in use, and 25 ms for each of
`audit.sample` examples of 18K tokens.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from in2_plugin import layout
from in2_plugin.config import BuildConfig
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import ModelTokenizer, load_tokenizer
from in2_plugin.dataset.plans import Plans
from in2_plugin.dataset.reader import read_manifest
from in2_plugin.errors import DatasetError, In2Error, one_line
from in2_plugin.examples.rendering import Renderer
from in2_plugin.examples.template import Template
from in2_plugin.inspection.audit.counts import count_figures
from in2_plugin.inspection.audit.leaks import leak_figures
from in2_plugin.inspection.audit.positions import position_figures
from in2_plugin.inspection.audit.summary import summary
from in2_plugin.inspection.audit.tally import Tally, tally
from in2_plugin.inspection.audit.texts import text_figures
from in2_plugin.inspection.doctor.run import DAMAGE
from in2_plugin.inspection.figures import Audit, Figure
from in2_plugin.inspection.plans import plan_figures
from in2_plugin.inspection.rendering import rendering_figures
from in2_plugin.inspection.report import Report
from in2_plugin.inspection.store_files import segment_files
from in2_plugin.io.atomic import write_json_atomic, write_text_atomic
from in2_plugin.io.lock import folder_lock

__all__ = ["Audit", "Figure", "audit", "audit_dataset"]
NEEDED = (
    layout.BUILD,
    layout.STAGES["segments"],
    layout.STAGES["screening"],
    layout.QUESTIONS,
    layout.EXAMPLES,
    layout.STAGES["plans"],
)
OTHER_TOKENIZER = (
    "give the tokenizer that it was built for with `--tokenizer`, or build for this one into another folder"
)


def audit(
    folder: Path, config: BuildConfig, store: SegmentStore, renderer: Renderer, tokenizer: ModelTokenizer
) -> Audit:
    """Audit a dataset whose examples are planned, and write audit.json and report.html.

    Raises:
        DatasetError: a file lacks columns or values, or the segments were not screened.
    """
    from in2_plugin.inspection.page.examples import shown_examples
    from in2_plugin.inspection.page.page import render_dataset_page

    found = tally(folder / layout.EXAMPLES, config, store)
    figures = list(_figures(folder, config, store, renderer, tokenizer, found))
    result = Audit(figures, summary(found, config, store))
    page = render_dataset_page(result.as_json(), shown_examples([row for _, row in found.sample], store))
    write_json_atomic(folder / layout.AUDIT, result.as_json())
    write_text_atomic(folder / layout.REPORT, page)
    return result


def audit_dataset(folder: str | Path, tokenizer_name: str | None = None) -> Audit:
    """Audit a dataset folder, finished or not; the bounds are those of its build file.

    Args:
        tokenizer_name: folder or hub name of the tokenizer, where the one in the build file is not to be had.

    Raises:
        DatasetError: there is no such dataset, its examples are not planned yet, or a file is damaged.
        FolderLocked: a build works on it.
        TokenizerError: the tokenizer cannot be loaded.
    """
    folder = Path(folder)
    layout.require_dataset_folder(folder)
    for name in NEEDED:
        if not (folder / name).exists():
            raise DatasetError(f"{folder}: has no {name}, so there is nothing to audit yet; run `in2 build` to go on")
    try:
        with folder_lock(folder):
            return _audit_folder(folder, tokenizer_name)
    except In2Error:
        raise
    except DAMAGE as failure:
        said = one_line(failure)
        raise DatasetError(
            f"{folder}: a file cannot be read ({said}); `in2 doctor {folder}` says which, and what to do"
        ) from failure


def _audit_folder(folder: Path, tokenizer_name: str | None) -> Audit:
    config = BuildConfig.parse(
        json.loads((folder / layout.BUILD).read_text(encoding="utf-8")), str(folder / layout.BUILD)
    )
    # Arrow does not look at the offsets of a mapped file: a damaged one would end the process
    report = Report("segment files")
    segment_files(folder, report)
    for finding in report.findings:
        raise DatasetError(f"{folder}/{finding.where}: {finding.what}; {finding.advice}")
    store = SegmentStore(folder / layout.SEGMENTS)
    tokenizer = load_tokenizer(tokenizer_name or config.tokenizer)
    return audit(folder, config, store, Renderer(store, tokenizer, Template(config.template, tokenizer)), tokenizer)


def _figures(
    folder: Path,
    config: BuildConfig,
    store: SegmentStore,
    renderer: Renderer,
    tokenizer: ModelTokenizer,
    found: Tally,
) -> Iterator[Figure]:
    """All figures; first those that explain others."""
    same = _same_tokenizer(folder, store, renderer, tokenizer)
    yield from same
    yield from count_figures(found, config)
    if all(figure.passed for figure in same):  # with another tokenizer every example would look wrong
        yield from rendering_figures(found.sample, renderer, tokenizer)
        yield from plan_figures(found.sample, renderer, Plans(folder / layout.PLANS, store, tokenizer))
    yield from leak_figures(found.sample, folder / layout.QUESTIONS, store, config)
    yield from text_figures(store, found.used, config)
    usable = store.n_tokens[store.usable]
    yield from position_figures(found, config, float(np.median(usable)) if len(usable) else 1.0)


def _same_tokenizer(folder: Path, store: SegmentStore, renderer: Renderer, tokenizer: ModelTokenizer) -> list[Figure]:
    template = renderer.template.fingerprint()
    # without a manifest the examples were planned with this very template a moment ago, or rendering will tell
    built_for = read_manifest(folder).template_fingerprint if (folder / layout.MANIFEST).exists() else template
    pairs = [
        ("tokenizer", tokenizer.fingerprint(), store.facts.tokenizer),
        ("chat template", template, built_for),
    ]
    return [
        Figure.at_most(
            f"another {what} than built for", int(given != built), 0,
            f"{tokenizer.name} has {given}, and the dataset was built for {built}" if given != built else given,
            OTHER_TOKENIZER,
        )
        for what, given, built in pairs
    ]  # fmt: skip
