"""`in2 audit`, also the last stage before the manifest: check that a dataset is what its build file promises.

The audit reads the files themselves: it tests positions and lengths statistically, counts exactly, and a sample token
by token. It writes audit.json and report.html. Invariants: the same dataset gives the same bytes; a damaged file gives
a one-sentence error. Cost: a pass over examples.parquet (45 s per million examples), one over the texts in use, and
25 ms for each of `audit.sample` examples of 18K tokens.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from in2_plugin import layout
from in2_plugin.config import BuildConfig
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import ModelTokenizer, load_tokenizer
from in2_plugin.dataset.build_record import stored_config
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
from in2_plugin.inspection.figures import Audit, Figure
from in2_plugin.inspection.plans import plan_figures
from in2_plugin.inspection.rendering import rendering_figures
from in2_plugin.inspection.report import READ_ERRORS, CheckReport
from in2_plugin.inspection.store_files import check_segment_files
from in2_plugin.io.atomic import write_json_atomic, write_text_atomic
from in2_plugin.io.lock import folder_lock

__all__ = ["Audit", "Figure", "audit", "audit_dataset"]
_REQUIRED = (
    layout.BUILD,
    layout.STAGES["segments"],
    layout.STAGES["screening"],
    layout.QUESTIONS,
    layout.EXAMPLES,
    layout.STAGES["plans"],
)
OTHER_TOKENIZER = "pass the tokenizer of the build with `--tokenizer`, or build for this one into another folder"


def audit(
    folder: Path, config: BuildConfig, store: SegmentStore, renderer: Renderer, tokenizer: ModelTokenizer
) -> Audit:
    """Audit a dataset after its plans are written, and write audit.json and report.html.

    Raises:
        DatasetError: a file lacks columns or values, or the segments were not screened.
    """
    from in2_plugin.inspection.page.examples import shown_examples
    from in2_plugin.inspection.page.render import render_dataset_page

    found = tally(folder / layout.EXAMPLES, config, store)
    figures = list(_figures(folder, config, store, renderer, tokenizer, found))
    result = Audit(figures, summary(found, config, store))
    page = render_dataset_page(result.as_json(), shown_examples([row for _, row in found.sample], store))
    write_json_atomic(folder / layout.AUDIT, result.as_json())
    write_text_atomic(folder / layout.REPORT, page)
    return result


def audit_dataset(folder: str | Path, tokenizer_name: str | None = None) -> Audit:
    """Audit a dataset folder, complete or not, with the bounds of its build file.

    Args:
        tokenizer_name: folder or hub name of the tokenizer, if the one in the build file is not available.

    Raises:
        DatasetError: the dataset does not exist, its plans are not written yet, or a file is damaged.
        FolderLocked: a build is using the folder.
        TokenizerError: the tokenizer cannot be loaded.
    """
    folder = Path(folder)
    layout.require_dataset_folder(folder)
    for name in _REQUIRED:
        if not (folder / name).exists():
            raise DatasetError(
                f"{folder}: {name} is missing, so the audit cannot run yet; finish the dataset with `in2 build`"
            )
    try:
        with folder_lock(folder):
            return _audit_folder(folder, tokenizer_name)
    except In2Error:
        raise
    except READ_ERRORS as failure:
        raise DatasetError(
            f"{folder}: a file cannot be read ({one_line(failure)}); run `in2 doctor {folder}` to find and repair it"
        ) from failure


def _audit_folder(folder: Path, tokenizer_name: str | None) -> Audit:
    config = stored_config(folder, str(folder / layout.BUILD))
    # Arrow does not validate the offsets of a mapped file: a damaged one would crash the process
    report = CheckReport("segment files")
    check_segment_files(folder, report)
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
    """Yield all figures, causes before consequences."""
    fingerprints = _fingerprint_figures(folder, store, renderer, tokenizer)
    yield from fingerprints
    yield from count_figures(found, config)
    if all(figure.passed for figure in fingerprints):  # with another tokenizer every example would differ
        yield from rendering_figures(found.sample, renderer, tokenizer)
        yield from plan_figures(found.sample, renderer, Plans(folder / layout.PLANS, store, tokenizer))
    yield from leak_figures(found.sample, folder / layout.QUESTIONS, store, config)
    yield from text_figures(store, found.used, config)
    usable = store.n_tokens[store.usable]
    yield from position_figures(found, config, float(np.median(usable)) if len(usable) else 1.0)


def _fingerprint_figures(
    folder: Path, store: SegmentStore, renderer: Renderer, tokenizer: ModelTokenizer
) -> list[Figure]:
    template = renderer.template.fingerprint()
    # without a manifest, a template that differs is found when the sample is rendered
    built_for = read_manifest(folder).template_fingerprint if (folder / layout.MANIFEST).exists() else template
    pairs = [
        ("tokenizer", tokenizer.fingerprint(), store.facts.tokenizer),
        ("chat template", template, built_for),
    ]
    return [
        Figure.at_most(
            f"another {what} than built for", int(given != built), 0,
            f"{tokenizer.name} has {given}, but the dataset was built for {built}" if given != built else given,
            OTHER_TOKENIZER,
        )
        for what, given, built in pairs
    ]  # fmt: skip
