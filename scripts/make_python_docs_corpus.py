"""Make the bundled corpus from the HTML documentation of CPython (Debian: python3.11-doc).

    python scripts/make_python_docs_corpus.py /usr/share/doc/python3.11/html [OUTPUT_FOLDER]

Writes python-docs.jsonl.gz (one document per line: key, title, text), LICENSE-python-docs.txt and README.md.
Invariant: the same HTML gives the same bytes on any machine with the same zlib. Cost: about half a minute.
"""

import argparse
import gzip
import html.parser
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

FOLDERS = ("c-api", "extending", "faq", "howto", "library", "reference", "tutorial", "using", "whatsnew")
"""Folders whose pages are read, besides the glossary. The rest is indexes, licences and superseded guides."""
EXCLUDED_PAGES = ("library/index", "whatsnew/2.*", "whatsnew/changelog", "whatsnew/index")
"""Patterns of pages that are lists, or news of Python 2, and are not read."""
MIN_WORDS = 300
"""A shorter section is merged with the sections after it, then with the section before it on its page."""
MAX_WORDS = 800
"""A longer section is split at paragraphs into parts of about equal length."""
MIN_PAGE_WORDS = 60
"""A page with less prose than this is an index and gives no document."""
MIN_REPEATED_WORDS = 8
"""A paragraph of at least this many words is kept only at its first occurrence, because pages share passages."""

_SKIPPED_TAGS = {"pre", "table", "script", "style", "nav", "svg"}
_SKIPPED_CLASSES = {
    "headerlink", "admonition-title", "rubric", "toctree-wrapper", "contents", "label", "section-number",
    "refcount", "stableabi",
}  # fmt: skip
_VOID_TAGS = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
_BLOCKS = {
    "p", "li", "dd", "dt", "dl", "ul", "ol", "div", "section", "blockquote", "aside", "figure", "figcaption", "hr",
    "h1", "h2", "h3", "h4", "h5", "h6",
}  # fmt: skip
_FOOTNOTE = "\0"


@dataclass(slots=True)
class Section:
    """A heading of level one to three and the prose below it, up to the next such heading."""

    anchor: str
    title: str = ""
    paragraphs: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PageDocument:
    """One document of the corpus."""

    key: str
    title: str
    text: str


class PageParser(html.parser.HTMLParser):
    """Collect the sections of one page; `feed` fills `sections`."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.sections: list[Section] = []
        self._open: list[tuple[str, str]] = []  # tag and role: "", "skip", "body" or "footnote"
        self._anchors: list[str] = []
        self._buffer: list[str] = []
        self._terms: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag in _BLOCKS:
            self._end_paragraph()
        if tag in _VOID_TAGS:
            self._buffer.append(" ")
            return
        self._open.append((tag, _role(tag, (attributes.get("class") or "").split())))
        if tag == "section":
            self._anchors.append(attributes.get("id") or "")
        if self._reading():
            self._begin(tag)

    def _begin(self, tag: str) -> None:
        if tag in ("h1", "h2", "h3"):
            self.sections.append(Section(self._anchors[-1] if self._anchors else ""))
        elif tag == "sup":
            self._buffer.append("^")
        elif tag == "dl":
            self._terms.clear()

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID_TAGS or not any(tag == opened for opened, _ in self._open):
            return
        while True:
            closed, role = self._open[-1]
            if closed in _BLOCKS:
                self._end_paragraph()
            self._open.pop()
            if closed == "section":
                self._anchors.pop()
            if role == "footnote" and self._reading():
                self._buffer.append(_FOOTNOTE)
            if closed == tag:
                return

    def handle_data(self, data: str) -> None:
        if self._reading():
            self._buffer.append(data)

    def _reading(self) -> bool:
        roles = {role for _, role in self._open}
        return "body" in roles and not roles & {"skip", "footnote"}

    def _end_paragraph(self) -> None:
        """Store the text since the last block boundary as a title, a term of a definition, or a paragraph."""
        text = " ".join(re.sub(rf"\s*{_FOOTNOTE}", "", "".join(self._buffer)).split())
        self._buffer.clear()
        if not text or not self.sections:
            return
        tags = [tag for tag, _ in self._open]
        if tags[-1] in ("h1", "h2", "h3"):
            self.sections[-1].title = text
        elif tags[-1] == "dt":
            self._terms.append(text.rstrip(": "))
        elif not re.fullmatch(r"h[4-6]", tags[-1]):
            self._add(text)

    def _add(self, text: str) -> None:
        if self._terms:
            text = f"{', '.join(self._terms)}: {text}"
            self._terms.clear()
        if _is_prose(text):
            self.sections[-1].paragraphs.append(text)


def _role(tag: str, classes: Sequence[str]) -> str:
    if tag in _SKIPPED_TAGS or _SKIPPED_CLASSES.intersection(classes):
        return "skip"
    if "footnote-reference" in classes:
        return "footnote"
    return "body" if tag == "div" and "body" in classes else ""


def _is_prose(text: str) -> bool:
    """Return False for text that only introduces removed content: `Example:`, `Source code: Lib/bisect.py`."""
    leads_to_code = text.endswith(":") and len(text.split()) < 8
    return any(map(str.isalpha, text)) and not leads_to_code and not text.startswith("Source code:")


def documents_of_page(page: str, source: str, seen: set[str]) -> list[PageDocument]:
    """Return the documents of one HTML page, and add its long paragraphs to `seen`, those of the earlier pages."""
    parser = PageParser()
    parser.feed(source)
    for section in parser.sections:
        section.paragraphs = [text for text in section.paragraphs if _is_new(text, seen)]
    groups = _merge(part for section in parser.sections for part in _split(section))
    if sum(map(_words_of, groups)) < MIN_PAGE_WORDS:
        return []
    documents: dict[str, PageDocument] = {}
    for group in groups:
        key = base = f"{page}#{group.anchor}"
        part = 1
        while key in documents:
            part += 1
            key = f"{base}/{part}"
        documents[key] = PageDocument(key, group.title, "\n".join(group.paragraphs))
    return list(documents.values())


def _is_new(paragraph: str, seen: set[str]) -> bool:
    if len(paragraph.split()) < MIN_REPEATED_WORDS:
        return True
    new = paragraph not in seen
    seen.add(paragraph)
    return new


def _words(paragraph: str) -> int:
    return len(paragraph.split())


def _words_of(section: Section) -> int:
    return sum(map(_words, section.paragraphs))


def _split(section: Section) -> Iterator[Section]:
    """Yield parts of about equal length, none much above MAX_WORDS, split between paragraphs."""
    n_parts = max(1, -(-_words_of(section) // MAX_WORDS))
    enough = _words_of(section) / n_parts
    part = Section(section.anchor, section.title)
    for paragraph in section.paragraphs:
        part.paragraphs.append(paragraph)
        if _words_of(part) >= enough:
            yield part
            part = Section(section.anchor, section.title)
    if part.paragraphs:
        yield part


def _merge(sections: Iterable[Section]) -> list[Section]:
    merged: list[Section] = []
    for section in sections:
        if merged and _words_of(merged[-1]) < MIN_WORDS:
            merged[-1].paragraphs += section.paragraphs
        else:
            merged.append(section)
    if len(merged) > 1 and _words_of(merged[-1]) < MIN_WORDS:
        last = merged.pop()
        merged[-1].paragraphs += last.paragraphs
    return merged


def pages(docs: Path) -> list[str]:
    """Return the sorted names of the pages to read: paths below `docs` without `.html`."""
    paths = [path for folder in FOLDERS for path in (docs / folder).glob("*.html")]
    names = [path.relative_to(docs).with_suffix("").as_posix() for path in [*paths, docs / "glossary.html"]]
    wanted = (name for name in names if not any(fnmatchcase(name, pattern) for pattern in EXCLUDED_PAGES))
    return sorted(name for name in wanted if (docs / f"{name}.html").is_file())


def corpus(docs: Path) -> list[PageDocument]:
    """Return all documents, in the order of their pages."""
    seen: set[str] = set()
    return [
        document
        for page in pages(docs)
        for document in documents_of_page(page, (docs / f"{page}.html").read_text(encoding="utf-8"), seen)
    ]


def python_version(docs: Path) -> str:
    """Return the Python version in the title of the documentation."""
    found = re.search(r"Python ([\d.]+\d)", (docs / "index.html").read_text(encoding="utf-8"))
    if found is None:
        raise SystemExit(f"{docs / 'index.html'}: contains no Python version; is this the HTML documentation?")
    return found.group(1)


class LicenceParser(html.parser.HTMLParser):
    """Collect the headings and literal text of the PSF licence agreement and of the licence for code in the docs."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self._wanted = False
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "section":
            name = dict(attrs).get("id") or ""
            self._wanted = name.startswith(("psf-license-agreement-for-python", "zero-clause-bsd"))
        elif tag in ("h3", "pre", "a"):
            self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == "section":
            self._wanted = False
        elif tag in ("h3", "pre", "a"):
            self.text += "\n\n" if self._wanted and tag in ("h3", "pre") else ""
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._wanted and self._inside in ("h3", "pre"):
            self.text += data


def licence(docs: Path) -> str:
    """Return the text of LICENSE-python-docs.txt."""
    parser = LicenceParser()
    parser.feed((docs / "license.html").read_text(encoding="utf-8"))
    return re.sub(r"\n{3,}", "\n\n", parser.text).strip() + "\n"


def readme(documents: Sequence[PageDocument], version: str) -> str:
    """Return README.md: origin, counts, command, and the summary of changes that the licence requires."""
    words = sum(_words(document.text) for document in documents)
    size = sum(len(document.text.encode()) for document in documents)
    return f"""# The bundled corpus `python-docs`

`python-docs.jsonl.gz` is prose from the HTML documentation of Python {version}, as Debian ships it in
`python3.11-doc`. Copyright © Python Software Foundation; all rights reserved. It is used under the PSF licence
agreement; see `LICENSE-python-docs.txt` for the full text.

| documents | words | bytes of text (UTF-8) |
| --- | --- | --- |
| {len(documents):,} | {words:,} | {size:,} |

Made with `python scripts/make_python_docs_corpus.py /usr/share/doc/python3.11/html`; the same HTML gives the
same bytes. Each line is a JSON object: `key` (page, `#`, anchor of the first section, and `/2`, `/3` ... for
further parts of a long section), `title` and `text`.

Summary of the changes made to the documentation:

- Pages: the folders {", ".join(FOLDERS)}
  and the glossary, without {", ".join(EXCLUDED_PAGES)};
  so there are no indexes, licence pages or superseded guides.
- Kept: paragraphs, list items and definition texts, one per line, with white space collapsed. The term or
  signature that a definition explains precedes its first paragraph, followed by a colon.
- Removed: code blocks, tables, headings (the first one of a document is its `title`), navigation,
  footnote marks, the reference-count and ABI remarks of the C API, and lines of fewer than 8 words that only
  introduce a code block.
- A document is a section of a page. Sections below {MIN_WORDS} words are merged with their neighbours, longer
  ones are split between paragraphs into parts of at most about {MAX_WORDS} words. Pages with fewer than
  {MIN_PAGE_WORDS} words of prose are excluded.
- A paragraph of {MIN_REPEATED_WORDS} words or more that several pages share is kept once.
"""


def write(documents: Sequence[PageDocument], path: Path) -> None:
    """Write gzipped JSON Lines without timestamp and file name, so that the bytes depend only on the documents."""
    with path.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=9, fileobj=file, mtime=0) as packed:
        for document in documents:
            row = {"key": document.key, "title": document.title, "text": document.text}
            packed.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


def main() -> None:
    """Read the command line and write the three files."""
    here = Path(__file__).resolve().parent.parent / "in2_plugin" / "corpus" / "data"
    parser = argparse.ArgumentParser(description="Make the bundled corpus from Python's HTML documentation.")
    parser.add_argument("docs", type=Path, help="folder with index.html, library/, tutorial/ ...")
    parser.add_argument("output", type=Path, nargs="?", default=here, help="folder to write to")
    arguments = parser.parse_args()
    version = python_version(arguments.docs)
    documents = corpus(arguments.docs)
    arguments.output.mkdir(parents=True, exist_ok=True)
    write(documents, arguments.output / "python-docs.jsonl.gz")
    (arguments.output / "LICENSE-python-docs.txt").write_text(licence(arguments.docs), encoding="utf-8")
    (arguments.output / "README.md").write_text(readme(documents, version), encoding="utf-8")
    print(f"{len(documents):,} documents of Python {version} written to {arguments.output}")


if __name__ == "__main__":
    main()
