"""Write the dataset card for readers, for `datasets.load_dataset` and for the Hugging Face Hub.

The header names the data files, because the folder also contains other Parquet files. The name of the configuration
contains a digest of the data: `datasets` 4.8 caches local folders by folder name and configuration name, not by
content, so without the digest a rebuilt dataset would load stale rows. Invariant: the header is valid YAML for the Hub,
whatever the build file contains.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from in2_plugin import layout
from in2_plugin.config import PARTS, Mixture
from in2_plugin.config.corpus import BUNDLED_CORPUS
from in2_plugin.config.writers import find_writer
from in2_plugin.errors import ConfigError
from in2_plugin.questions.records.registers import registers_in

if TYPE_CHECKING:
    from in2_plugin.dataset.reader import Manifest

BUNDLED_LICENSE = "PSF-2.0"
BUNDLED_LICENSE_LINK = "https://docs.python.org/3/license.html"
# Licence identifiers of the Hub for texts (huggingface.co/docs/hub/repositories-licenses); any other licence is `other`
# with a name. Licences for models or software only are omitted: they are rarely used for a corpus.
HUB_LICENSES = frozenset(
    [
        "afl-3.0",
        "agpl-3.0",
        "apache-2.0",
        "artistic-2.0",
        "bsd",
        "bsd-2-clause",
        "bsd-3-clause",
        "bsl-1.0",
        "c-uda",
        "cc",
        "cc0-1.0",
        "cc-by-2.0",
        "cc-by-2.5",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nc-4.0",
        "cc-by-nd-4.0",
        "cc-by-nc-nd-3.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0",
        "cdla-sharing-1.0",
        "cdla-permissive-1.0",
        "cdla-permissive-2.0",
        "etalab-2.0",
        "eupl-1.1",
        "gfdl",
        "gpl",
        "gpl-2.0",
        "gpl-3.0",
        "isc",
        "lgpl",
        "lgpl-2.1",
        "lgpl-3.0",
        "mit",
        "mpl-2.0",
        "odc-by",
        "odbl",
        "ofl-1.1",
        "pddl",
        "unlicense",
        "wtfpl",
        "zlib",
    ]
)
_SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M", 10_000_000: "1M<n<10M"}
_LARGEST_SIZE = "10M<n<100M"
_USE = """\
The folder, or what `huggingface_hub.snapshot_download(NAME, repo_type="dataset")` makes of it, is a dataset for
Axolotl with `pip install "in2-plugin[axolotl]"`:

```yaml
plugins:
  - in2_plugin.axolotl.IN2Plugin
datasets:
  - path: FOLDER
    type: in2
sequence_len: {longest}
```

`in2_plugin.dataset.reader.IN2Dataset(FOLDER, tokenizer)` gives ids and labels to any other trainer, and
`in2 export` writes them out for trainers that are to know nothing of this package."""
_QUESTIONS = "## Questions"
_RECORDS = (
    "Questions of the part `records` are made by rule, about invented records: names, numbers, codes and UUIDs. Any "
    "resemblance to real persons or numbers is a coincidence."
)
SCREENING = {
    "contaminated_documents": "documents left out because they share text with an evaluation item",
    "same_documents": "of those, documents of a folder that the dataset is kept apart from",
    "contaminated_segments": "segments of those documents",
    "near_duplicates": "segments that say almost the same as an earlier one",
}
"""Counts of screening in the manifest."""


def dataset_card(manifest: "Manifest", digest: str, audit: Mapping[str, Any] | None = None) -> str:
    """Return README.md of a dataset folder; `digest` is that of examples.parquet, `audit` the content of audit.json."""
    facts = table(
        [
            ("tokenizer", f"`{manifest.tokenizer}` ({manifest.tokenizer_fingerprint})"),
            ("template", f"`{manifest.template}` ({manifest.template_fingerprint})"),
            *length_facts(manifest),
        ]
    )
    return "\n\n".join(
        [
            header(manifest, f"build-{digest}", layout.EXAMPLES, manifest.examples),
            "# IN2 dataset",
            "Information-intensive training data (An et al., arXiv 2404.16811), written by in2-plugin "
            f"{manifest.version}. An example is a plan: the ids of its segments in reading order. Token ids are put "
            "together from `segments/` when a trainer asks for them. `documents.parquet` has a digest of each document "
            "in use, so that a probe can tell if a model was trained on its documents.",
            facts,
            "## Use",
            _USE.format(longest=manifest.longest),
            provenance(manifest, audit),
        ]
    )


def answer_writers(folder: Path) -> list[str]:
    """Return the sentence on who wrote the answers of a dataset folder, if a teacher did; else nothing."""
    report = folder / layout.WRITTEN / layout.WRITTEN_REPORT
    return [json.loads(report.read_text(encoding="utf-8"))["sentence"]] if report.exists() else []


def with_answer_writer(card: str, sentence: str) -> str:
    """Return a card with a sentence on the answers below its heading on questions, unless it has the sentence."""
    return card if sentence in card else card.replace(_QUESTIONS, f"{_QUESTIONS}\n\n{sentence}", 1)


def header(manifest: "Manifest", config_name: str, data_files: str, rows: int) -> str:
    """Return the YAML header of a card, with its `---` lines."""
    fields: dict[str, Any] = {
        **_license_fields(manifest.build),
        "task_categories": ["question-answering", "text-generation"],
        "size_categories": [size_category(rows)],
        "tags": ["in2", "long-context", "in2-plugin"],
        "configs": [{"config_name": config_name, "data_files": [{"split": "train", "path": data_files}]}],
    }
    return f"---\n{yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)}---"


def length_facts(manifest: "Manifest") -> list[tuple[str, str]]:
    """Return table rows with the number and lengths of examples and answers."""
    counts, n = manifest.counts, max(1, manifest.examples)
    turns = counts.get("turns", manifest.examples)
    longest = f"{manifest.longest:,} tokens: the trainer's window must be at least this"
    return [
        ("examples", f"{manifest.examples:,}, with {turns:,} questions"),
        *((f"part `{part}`", f"{counts[part]:,} examples") for part in PARTS if counts.get(part)),
        ("tokens", f"{counts['tokens']:,}, of them {counts['answer_tokens']:,} supervised"),
        ("mean length", f"{counts['tokens'] / n:,.0f} tokens an example"),
        ("mean answer", f"{counts['answer_tokens'] / max(1, turns):,.1f} tokens, end of turn included"),
        ("longest example", longest),
        *_store_facts(counts),
    ]


def _store_facts(counts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield what the segments are made of: the corpus, invented records, or both."""
    records = counts.get("record_segments", 0)
    registers = registers_in(records)
    if segments := counts["segments"] - records:
        yield "corpus", f"{counts['documents'] - registers:,} documents, {segments:,} segments"
    if records:
        yield "invented records", f"{registers:,} lists, {records:,} segments"


def provenance(manifest: "Manifest", audit: Mapping[str, Any] | None) -> str:
    """Return the sections on sources, writer, screening, audit, and the build file."""
    sections = [
        "## Sources",
        table(_source_rows(manifest.build), ("source", "licence")),
        _QUESTIONS,
        *_writers(manifest.build),
    ]  # fmt: skip
    if screened := [(what, f"{manifest.counts[key]:,}") for key, what in SCREENING.items() if key in manifest.counts]:
        sections += ["## Screening", table(screened, ("found", "count"))]
    if figures := (audit or {}).get("figures"):
        sections += ["## Audit", table(map(_figure, figures), ("figure", "value", "bound", "", "detail"))]
    return "\n\n".join([*sections, "## How to build it again", _reproduction(manifest)]) + "\n"


def table(rows: Iterable[tuple[str, ...]], head: tuple[str, ...] = ("", "")) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def license_of(source: Mapping[str, Any]) -> str | None:
    """Return the stated licence of a source, or that of the bundled corpus."""
    stated = source.get("license")
    return BUNDLED_LICENSE if stated is None and source["path"] == BUNDLED_CORPUS else stated


def size_category(rows: int) -> str:
    """Return the Hub's size category for a number of rows."""
    return next((name for bound, name in _SIZES.items() if rows < bound), _LARGEST_SIZE)


def _source_rows(build: Mapping[str, Any]) -> list[tuple[str, ...]]:
    invented = [("invented records", "none needed")] if _mixture(build).records else []
    own = [(_cell(_described(source)), _cell(license_of(source) or "not stated")) for source in _sources(build)]
    return [*own, *invented]


def _sources(build: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return every source whose text is in the examples."""
    mixture = _mixture(build)
    general = build["instructions"]["sources"] if mixture.general else []
    return [*(build["corpus"]["sources"] if mixture.reads_corpus else []), *general]


def _mixture(build: Mapping[str, Any]) -> Mixture:
    return Mixture.parse(build["mixture"], layout.BUILD)


def _license_fields(build: Mapping[str, Any]) -> dict[str, Any]:
    """Return the licence fields of the header; none if a source has no stated licence, as the whole is then unknown."""
    known = sorted({(license_of(source) or "").lower() for source in _sources(build)})
    if not known or "" in known:
        return {}
    if HUB_LICENSES.issuperset(known):
        return {"license": known[0] if len(known) == 1 else known}
    name = "-and-".join(re.sub(r"[^a-z0-9.]+", "-", name).strip("-") for name in known)
    link = {"license_link": BUNDLED_LICENSE_LINK} if known == [BUNDLED_LICENSE.lower()] else {}
    return {"license": "other", "license_name": name, **link}


def _described(source: Mapping[str, Any]) -> str:
    name = f" ({source['name']})" if source.get("name") else ""
    limit = f", at most {source['limit']:,} read" if source.get("limit") else ""
    return f"`{source['path']}`{name}{limit}"


def _writers(build: Mapping[str, Any]) -> list[str]:
    """Return a paragraph about the writer of the build file, and one about the questions of the part `records`."""
    mixture = _mixture(build)
    paragraphs = [_writer(build["questions"])] if mixture.reads_corpus else []
    return [*paragraphs, _RECORDS] if mixture.records else paragraphs


def _writer(questions: Mapping[str, Any]) -> str:
    writer = questions["writer"]
    try:
        spec = find_writer(writer)
    except ConfigError:  # a dataset can be exported without the package that wrote its questions
        return f"Questions by the `{writer}` writer."
    if not spec.model_section:
        return f"Questions by the `{writer}` writer: {spec.description}."
    model = questions[spec.model_section]["model"]
    sentences = [f"Questions by the `{writer}` writer, model `{model}`."]
    verify = questions["verify"]
    if checks := sorted({*verify["fine_grained"], *verify["integration"]}):
        judge = verify["judge"]["model"] if verify["judge"] else model
        sentences.append(f"Checked by `{judge}`: {', '.join(checks)}.")
    return " ".join(sentences)


def _figure(figure: Mapping[str, Any]) -> tuple[str, ...]:
    verdict = "passed" if figure["passed"] else "FAILED"
    return (
        _cell(figure["name"]),
        _number(figure["value"]),
        _number(figure["bound"]),
        verdict,
        _cell(figure.get("detail") or ""),
    )


def _number(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else _cell(value)


def _cell(value: object) -> str:
    """Escape text for a table cell."""
    return " ".join(str(value).replace("|", "\\|").split())


def _reproduction(manifest: "Manifest") -> str:
    # JSON is valid YAML, so `in2 build` accepts the block unchanged
    build = json.dumps(manifest.build, indent=2, ensure_ascii=False)
    return (
        f'`pip install "in2-plugin=={manifest.version}"`, save this as build.yml, and run `in2 build build.yml`. The '
        "same file and seed give the same bytes where the sources are the same and no language model is asked.\n\n"
        f"```json\n{build}\n```"
    )
