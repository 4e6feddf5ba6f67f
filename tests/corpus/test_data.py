import gzip
import importlib.util
import json
import re
import statistics
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from in2_plugin.config.corpus import CorpusConfig
from in2_plugin.corpus.segmentation import segment
from in2_plugin.corpus.sentences import sentence_spans
from in2_plugin.corpus.sources.documents import Document, read_documents
from tests.support import ROOT
from tests.support.vocabularies import mistral

DATA = ROOT / "in2_plugin/corpus/data"
SCRIPT = ROOT / "scripts" / "make_python_docs_corpus.py"


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return list(read_documents(CorpusConfig().sources))


@pytest.fixture(scope="module")
def script() -> ModuleType:
    specification = importlib.util.spec_from_file_location("make_python_docs_corpus", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look up their module
    specification.loader.exec_module(module)
    return module


def test_the_corpus_has_the_expected_size(documents: list[Document]) -> None:
    assert (DATA / "python-docs.jsonl.gz").stat().st_size < 2_500_000
    assert 4_000_000 < sum(len(document.text.encode()) for document in documents) < 7_000_000
    assert len({document.key for document in documents}) == len(documents) > 1_500


def test_documents_have_the_length_of_articles(documents: list[Document]) -> None:
    words = [len(document.text.split()) for document in documents]
    assert sum(300 <= n <= 1_500 for n in words) > 0.95 * len(words)
    assert max(words) < 1_500
    assert 400 < statistics.mean(words) < 700


# Documentation about HTML may contain tags and entities.
ABOUT_HTML = re.compile(r"html|xml|codec|email|cgi|sax|unicode|idle|logging|clinic|tkinter|pydoc|wsgi", re.IGNORECASE)


@pytest.mark.parametrize(
    "artefact",
    [r"¶", r"&(?:amp|lt|gt|quot|nbsp|#\d+);", r"</?(?:p|div|span|code|em|strong|li|ul|dd|dt|dl|td|tr|section)\b[^>]*>"],
)
def test_no_markup_is_left(documents: list[Document], artefact: str) -> None:
    found = [document.key for document in documents if re.search(artefact, document.text)]
    assert [key for key in found if not ABOUT_HTML.search(key)] == []


def test_paragraphs_are_clean_lines(documents: list[Document]) -> None:
    lines = [line for document in documents for line in document.text.split("\n")]
    assert all(line == " ".join(line.split()) and line for line in lines)
    assert all(any(map(str.isalnum, line)) for line in lines)
    long = [line for line in lines if len(line.split()) >= 8]
    assert len(set(long)) == len(long)


def test_the_corpus_is_prose(documents: list[Document]) -> None:
    sample = [document.text for document in documents[::20]]
    sentences = [
        line[start:stop] for text in sample for line in text.split("\n") for start, stop in sentence_spans(line)
    ]
    assert 10 < statistics.mean(len(sentence.split()) for sentence in sentences) < 25
    letters = sum(character.isalpha() or character.isspace() for text in sample for character in text)
    assert letters > 0.9 * sum(map(len, sample))


def test_the_whole_corpus_segments_in_seconds(documents: list[Document]) -> None:
    tokenizer = mistral()

    def count(texts: list[str]) -> list[int]:
        return [len(one.ids) for one in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    began = time.process_time()
    segments = [span for document in documents for span in segment(document.text, count, 128, False)]
    assert time.process_time() - began < 60
    assert 8_000 < len(segments) < 16_000
    assert max(span.n_tokens for span in segments) < 512
    assert statistics.mean(span.n_tokens for span in segments) < 200


def test_rows_have_key_title_and_text() -> None:
    with gzip.open(DATA / "python-docs.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    assert all(row.keys() == {"key", "title", "text"} and row["title"] for row in rows)
    assert [row["key"].split("#")[0] for row in rows] == sorted(row["key"].split("#")[0] for row in rows)
    assert not any(
        re.match(r"license|copyright|genindex|search|contents|whatsnew/changelog", row["key"]) for row in rows
    )


def test_licence_and_readme_are_next_to_the_corpus(documents: list[Document]) -> None:
    licence = (DATA / "LICENSE-python-docs.txt").read_text(encoding="utf-8")
    assert "PSF LICENSE AGREEMENT FOR PYTHON 3.11" in licence
    assert "ZERO-CLAUSE BSD LICENSE" in licence
    assert "Python Software Foundation; All Rights" in licence
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    assert f"{len(documents):,}" in readme
    assert re.search(r"Python 3\.11\.\d", readme)


PAGE = """<html><head><title>t</title></head><body><p>navigation outside the body</p>
<div class="body" role="main"><section id="module-toy">
<span id="x"></span><h1><span class="section-number">1. </span><code>toy</code> — A toy<a class="headerlink"
href="#m">¶</a></h1>
<p><strong>Source code:</strong> <a href="x">Lib/toy.py</a></p>
<p>This module   plays &amp; sings,
as <em>explained</em> elsewhere <a class="footnote-reference" href="#f">[1]</a>. It counts to 2<sup>8</sup>.</p>
<p>For example:</p><pre>&gt;&gt;&gt; toy.play()</pre>
<table><tr><td>cell</td></tr></table>
<dl class="py function"><dt>toy.play(<em>loud</em>)<a class="headerlink" href="#p">¶</a></dt>
<dd><p>Play it.</p><p>Twice.</p><div class="versionadded"><p>New in version 3.2.</p></div></dd></dl>
<dl><dt>one</dt><dt>two</dt><dd>Both terms.</dd></dl>
<ul><li><p>First item.</p></li><li>Second item<br/>goes on.<ul><li>Inner.</li></ul></li><li></li></ul>
<div class="admonition note"><p class="admonition-title">Note</p><p>Mind the gap.</p></div>
<section id="more"><h2>More<a class="headerlink" href="#more">¶</a></h2><p>{more}</p>
<section id="deep"><h4>Deep</h4><p>Below the fourth level.</p></section></section>
</section></div><div class="sphinxsidebar"><p>sidebar</p></div></body></html>"""

FIRST = [
    "This module plays & sings, as explained elsewhere. It counts to 2^8.",
    "toy.play(loud): Play it.",
    "Twice.",
    "New in version 3.2.",
    "one, two: Both terms.",
    "First item.",
    "Second item goes on.",
    "Inner.",
    "Mind the gap.",
]


def test_a_small_page_is_one_document(script: ModuleType) -> None:
    more = " ".join(["word"] * 60)
    [document] = script.documents_of_page("library/toy", PAGE.format(more=more), set())
    assert (document.key, document.title) == ("library/toy#module-toy", "toy — A toy")
    assert document.text.split("\n") == [*FIRST, more, "Below the fourth level."]


def test_long_sections_are_split_between_paragraphs(script: ModuleType) -> None:
    more = "</p><p>".join(f"Paragraph {i} " + "word " * 98 for i in range(20))
    documents = script.documents_of_page("library/toy", PAGE.format(more=more), set())
    keys = [document.key for document in documents]
    assert keys == ["library/toy#module-toy", "library/toy#more", "library/toy#more/2"]
    assert all(300 <= len(document.text.split()) <= 1_200 for document in documents)
    assert "\n".join(document.text for document in documents).count("Paragraph") == 20


def test_pages_without_prose_and_repeated_passages_are_excluded(script: ModuleType) -> None:
    assert script.documents_of_page("library/toy", PAGE.format(more=""), set()) == []
    seen: set[str] = set()
    page = PAGE.format(more="word " * 100)
    assert script.documents_of_page("a", page, seen)
    assert script.documents_of_page("b", page, seen) == []


def test_the_script_writes_the_same_bytes_each_time(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = tmp_path / "html"
    page = PAGE.format(more="word " * 100)
    for name in ("library/toy", "library/index", "whatsnew/2.7", "whatsnew/changelog", "genindex"):
        (docs / name).parent.mkdir(parents=True, exist_ok=True)
        (docs / f"{name}.html").write_text(page, encoding="utf-8")
    (docs / "index.html").write_text("<title>3.11.9 Documentation — Python 3.11.9</title>", encoding="utf-8")
    (docs / "license.html").write_text(
        '<section id="psf-license-agreement-for-python-release"><h3>PSF<a>¶</a></h3>'
        "<pre>Take &quot;it&quot;.</pre></section>"
        '<section id="other"><h3>No</h3><pre>no</pre></section>',
        encoding="utf-8",
    )
    for name in ("one", "two"):
        monkeypatch.setattr("sys.argv", ["make", str(docs), str(tmp_path / name)])
        script.main()
    first, second = ((tmp_path / name / "python-docs.jsonl.gz").read_bytes() for name in ("one", "two"))
    assert first == second
    assert [json.loads(line)["key"] for line in gzip.decompress(first).splitlines()] == ["library/toy#module-toy"]
    assert (tmp_path / "one" / "LICENSE-python-docs.txt").read_text(encoding="utf-8") == 'PSF\n\nTake "it".\n'
    assert "Python 3.11.9" in (tmp_path / "one" / "README.md").read_text(encoding="utf-8")
