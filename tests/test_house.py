"""The shape of the package: imports go one way, rooms stay small, tests mirror modules."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT, TESTS

PACKAGE = ROOT / "in2_plugin"
ORDER = (
    "errors", "prompt_text", "answer_text", "layout", "io", "config", "models", "execution", "corpus", "llm",
    "questions", "examples", "dataset", "sharing", "inspection", "pipeline", "teaching", "training", "preflight",
    "probing", "rewards", "reporting", "recipe", "axolotl", "trl", "demo", "cli",
)  # fmt: skip
"""A room imports those before it; the last ones are what users name in Axolotl files, scripts and shells."""
MOST_FILES = 13
"""Modules in one folder, `cli` apart: it has one per command."""
WITHOUT_MODULE = {"benchmarks", "e2e", "lm_eval_tasks", "recipes", "support"}
"""Folders of tests that do not mirror the package."""


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> Iterator[str]:
    """Yield the rooms that a module imports when it runs, imports inside functions included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in for_types:
            continue
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("in2_plugin."))


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_only_rooms_before_it(room):
    allowed = {*ORDER[: ORDER.index(room) + 1], "__version__"}
    found = {
        f"{path.relative_to(ROOT)} imports {other}"
        for path in modules()
        if room_of(path) == room
        for other in imported(path)
        if other not in allowed
    }
    assert not found


def test_every_module_is_in_a_room_of_the_order():
    assert {room_of(path) for path in modules()} == set(ORDER)


def test_no_folder_holds_more_than_about_a_dozen_modules():
    counts = Counter(path.parent.relative_to(ROOT).as_posix() for path in modules())
    assert {name: n for name, n in counts.items() if n > MOST_FILES and name != "in2_plugin/cli"} == {}


def test_every_test_file_is_named_after_a_module():
    strays = [
        test.relative_to(TESTS).as_posix()
        for test in TESTS.glob("*/**/test_*.py")
        if test.relative_to(TESTS).parts[0] not in WITHOUT_MODULE
        and not (PACKAGE / test.relative_to(TESTS).parent / f"{test.stem.removeprefix('test_')}.py").exists()
        and not (PACKAGE / test.relative_to(TESTS).parent / test.stem.removeprefix("test_")).is_dir()
    ]
    assert strays == []


def test_tests_import_their_helpers_without_changing_the_path():
    this = Path(__file__)
    assert [path.name for path in TESTS.rglob("*.py") if path != this and "sys.path.insert" in path.read_text()] == []


def test_class_names_are_unique():
    names: Counter[str] = Counter()
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names.update(node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_")
    assert [name for name, n in names.items() if n > 1] == []


def test_docstrings_of_functions_open_with_what_the_function_does():
    openings = ("What ", "Whether ", "Which ", "How ", "Where ", "Who ")
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (ast.get_docstring(node) or "").startswith(openings)
    ]
    assert found == []


def test_programs_parse_their_arguments():
    """Otherwise `--help` is taken for the name of a folder."""
    programs = [*(ROOT / "scripts").glob("*.py"), *(ROOT / "recipes").glob("*/*.py")]
    assert [path.name for path in programs if "sys.argv[1" in path.read_text(encoding="utf-8")] == []
