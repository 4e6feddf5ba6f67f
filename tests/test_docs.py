"""The documentation as a whole: links, commands, YAML, quoted messages, generated pages and pictures.

What the guides tell people to do is run in tests/e2e/test_guides.py; docs/api.md is run in tests/test_api.py.
"""

import ast
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
import yaml
from PIL import Image

from in2_plugin.cli.app import app
from in2_plugin.config import BuildConfig, EndpointConfig, QuestionsConfig
from in2_plugin.training.axolotl.args import IN2Options
from tests.support import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md"))
SIGNPOSTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "AGENTS.md", "SECURITY.md", "CHANGELOG.md")]
ALL = [*SIGNPOSTS, *PAGES]
FENCE = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(path: Path) -> str:
    """Return a page without its code blocks."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MkDocs spell them."""
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def script(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"scripts/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# links and the site


@pytest.mark.parametrize("page", SIGNPOSTS, ids=name_of)
def test_links_of_pages_outside_the_site_are_valid(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), target


def test_the_site_builds_without_warnings(tmp_path):
    """Every warning is an error: broken links and anchors, and pages in the navigation that do not exist."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site/build-file/index.html").is_file()


def pages_of(entry) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    return [page for inner in (entry.values() if isinstance(entry, dict) else entry) for page in pages_of(inner)]


def test_the_navigation_lists_every_page_once():
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(pages_of(site["nav"])) == sorted(str(page.relative_to(DOCS)) for page in PAGES)


def test_the_readme_is_short_and_defines_its_words():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) < 900
    for word in ("*gold segments*", "*depth*", "gap"):
        assert word in text
    assert "make test" in text and "make demo" in text


# commands


def commands(text: str) -> list[str]:
    """Return every `in2 ...` in code, with lines joined at a trailing backslash."""
    code = [block.replace("\\\n", " ") for block in FENCE.findall(text)]
    code += [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", FENCE.sub("", text))]
    return [line for part in code for line in re.findall(r"(?:^|[\s(\"$])(in2 [^\n\")`]*)", part)]


def check_command(line: str) -> None:
    command, words = typer.main.get_command(app), line.partition("#")[0].split()[1:]
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        assert words[0] in command.commands, line
        command, words = command.commands[words[0]], words[1:]
    if not command.context_settings.get("ignore_unknown_options"):  # these forward another program's options
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("-")} <= known, line


@pytest.mark.parametrize("page", ALL, ids=name_of)
def test_commands_and_options_exist(page):
    for line in commands(page.read_text(encoding="utf-8")):
        check_command(line)


def test_commands_are_found_in_code():
    text = 'Run `in2 build\nb.yml`.\n\n```\nx=1 in2 status d   # in2 y\n"$(in2 tasks-path)"\n```\n'
    assert commands(text) == ["in2 status d   # in2 y", "in2 tasks-path", "in2 build b.yml"]


@pytest.mark.parametrize("line", ["in2 bild b.yml", "in2 build --resume", "in2 recipes lst", "in2 recipes copy --to x"])
def test_unknown_commands_and_options_are_noticed(line):
    with pytest.raises(AssertionError):
        check_command(line)


# YAML

YAML_PAGES = [ROOT / "README.md", *(DOCS / f"{name}.md" for name in ("questions", "data", "audit"))]
YAML_PAGES += sorted((DOCS / "guides").glob("*.md"))
YAML_BLOCKS = [(page, i) for page in YAML_PAGES for i, _ in enumerate(blocks(page, "yaml"))]


@pytest.mark.parametrize(("page", "number"), YAML_BLOCKS, ids=lambda part: getattr(part, "stem", part))
def test_yaml_blocks_are_valid(page, number):
    given = yaml.safe_load(blocks(page, "yaml")[number])
    if "plugins" in given:
        return  # an Axolotl config, which the end-to-end tests run
    if "mode" in given:
        assert EndpointConfig.parse({"model": "m", **given}, page.name).mode == given["mode"]
        return
    if "endpoint" in given.get("questions", {}) or page.parent.name != "guides":
        questions = {"writer": "endpoint", "endpoint": {"model": "m"}, **given.get("questions", {})}
        given = {**given, "questions": questions}
        QuestionsConfig.parse(questions, page.name)
    BuildConfig.parse({"output": "o", "tokenizer": "t", **given}, page.name)


def test_yaml_blocks_are_found():
    assert len(blocks(ROOT / "README.md", "yaml")) == 3
    assert len(YAML_BLOCKS) >= 15


def test_training_options_are_shown_with_their_defaults():
    (block,) = blocks(DOCS / "training.md", "yaml")
    shown = yaml.safe_load(block)["in2"]
    assert IN2Options.model_validate(shown) == IN2Options()
    assert set(IN2Options.model_fields) - set(shown) == {"gpu", "accept_keys"}


# messages


def strings_of_the_source() -> str:
    """Return every string in the package, with `...` for the values of f-strings."""
    texts = []
    for path in (ROOT / "in2_plugin").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "..." for part in node.values]
                texts.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def test_troubleshooting_quotes_messages_of_the_program():
    source = strings_of_the_source().replace("`", "")
    rows = re.findall(r"^\| `(.+?)`(?: or [^|]*)? \|", (DOCS / "troubleshooting.md").read_text("utf-8"), re.MULTILINE)
    assert len(rows) > 20
    for row in rows:
        pattern = ".*".join(re.escape(part.strip()) for part in row.replace("`", "").split("..."))
        assert re.search(pattern, source), row


# generated pages and pictures


@pytest.fixture(scope="module")
def reference():
    return script("make_build_reference")


def test_the_build_file_page_explains_every_key(reference):
    page = (DOCS / "build-file.md").read_text(encoding="utf-8")
    for section in (*reference.build_sections(), *reference.option_sections()):
        assert section in page, "run python scripts/make_build_reference.py"


@pytest.mark.slow
def test_the_build_file_page_is_up_to_date(reference):
    assert (DOCS / "build-file.md").read_text(encoding="utf-8") == reference.page()


def test_an_origin_without_a_key_is_an_error(reference, monkeypatch):
    monkeypatch.setitem(reference.PAPER, "corpus.segment_token", "paper")
    with pytest.raises(KeyError, match=r"corpus\.segment_token"):
        reference.page()


@pytest.mark.parametrize(
    "key", ["corpus.segment_tokens", "lengths.max", "questions_per_context", "questions.questions_per_call"]
)
def test_defaults_of_the_paper_are_marked(reference, key):
    page = (DOCS / "build-file.md").read_text(encoding="utf-8")
    section, _, name = key.rpartition(".")
    table = page.split(f"## `{section}`" if section else "## The whole file")[1].split("\n## ")[0]
    assert re.search(rf"\| `{name}` \|[^|]*\|[^|]*\| paper", table)


def described(picture: Path) -> object:
    """Return the numbers in a picture's metadata and its size; pixels differ between versions of matplotlib."""
    with Image.open(picture) as image:
        return json.loads(image.text["Description"]), image.size


def test_the_picture_of_the_curves_shows_the_papers_numbers(tmp_path):
    made = script("make_readme_picture")
    made.draw(tmp_path / "curves.png")
    assert described(tmp_path / "curves.png") == described(DOCS / "images/curves.png")
    ((document, *_), source) = described(DOCS / "images/curves.png")[0]
    assert document[1] == "Avg 74.2 → 85.4   ·   Gap 32.1 → 6.1"  # paper, Table 1
    assert "not ours" in source


@pytest.mark.slow
def test_the_picture_of_a_report_is_up_to_date(tmp_path):
    printed = script("make_report_picture").make(tmp_path / "example.png", tmp_path)
    assert printed.count("(invented)") >= 2
    assert described(tmp_path / "example.png") == described(DOCS / "images/report-example.png"), (
        "run python scripts/make_report_picture.py"
    )


def test_pictures_are_small():
    assert all(path.stat().st_size < 200_000 for path in (DOCS / "images").iterdir())
