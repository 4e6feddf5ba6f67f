import ast
from pathlib import Path

import pytest

import in2_plugin
from in2_plugin import layout
from in2_plugin.errors import DatasetError

PACKAGE = Path(in2_plugin.__file__).parent
NAMES = {value for name, value in vars(layout).items() if name.isupper() and isinstance(value, str)}
FOLDERS = {name for name in NAMES if "." not in name}
ELSEWHERE = {
    ("recipe", layout.CARD), ("models", layout.CARD), ("cli/recipes.py", layout.CARD), ("cli/report.py", layout.REPORT),
    ("probing/offline/write.py", layout.PROBE),
}  # fmt: skip
"""Rooms and modules where a file of the same name belongs to another folder: a recipe, a model, a report, prompts."""


def spelled_names(path: Path) -> set[str]:
    """Return the names of the layout that a module spells as a path; words of a docstring or message do not count."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value.rpartition("/")[2]
            if name in NAMES - FOLDERS and " " not in node.value:
                found.add(name)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant):
            found |= {node.right.value} & FOLDERS
    return found


def test_no_other_module_spells_a_file_name_of_a_dataset_folder():
    spelled = {
        (place, name)
        for path in PACKAGE.rglob("*.py")
        if (place := path.relative_to(PACKAGE).as_posix()) != "layout.py"
        for name in spelled_names(path)
        if not {(place, name), (place.partition("/")[0], name)} & ELSEWHERE
    }
    assert sorted(spelled) == []


def test_names_are_unique():
    names = [value for name, value in vars(layout).items() if name.isupper() and isinstance(value, str)]
    assert len(names) == len(set(names))


def test_the_package_is_not_imported_by_the_layout_except_for_errors():
    tree = ast.parse(Path(layout.__file__).read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module for module in modules if module and module.startswith("in2_plugin")} == {"in2_plugin.errors"}


def test_the_manifest_is_the_last_stage():
    assert list(layout.STAGES)[-1] == "manifest"
    assert layout.STAGES["manifest"] == layout.MANIFEST


def test_job_files_match_their_patterns():
    assert Path(layout.job_log("1-of-4")).match(layout.JOB_LOGS)
    assert Path(layout.job_lock("1-of-4")).match(layout.JOB_LOCKS)
    assert not Path(layout.WORK_LOG).match(layout.JOB_LOGS)
    assert not Path(layout.LOCK).match(layout.JOB_LOCKS)


def test_shard_files_sort_by_number():
    assert [layout.shard_file(number) for number in (0, 9, 10)] == ["00000.arrow", "00009.arrow", "00010.arrow"]


@pytest.mark.parametrize("name", [layout.BUILD, layout.WORK_LOG, layout.QUESTIONS])
def test_a_folder_with_a_file_of_a_build_is_a_dataset_folder(tmp_path, name):
    (tmp_path / name).touch()
    layout.require_dataset_folder(tmp_path)


def test_a_probe_is_not_a_dataset(tmp_path):
    (tmp_path / layout.BUILD).touch()
    (tmp_path / layout.PROBE).touch()
    with pytest.raises(DatasetError, match="is a probe, and this command is for datasets"):
        layout.require_dataset_folder(tmp_path)


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="no such folder; give the `output`"):
        layout.require_dataset_folder(tmp_path / "missing")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DatasetError, match="not a dataset folder of `in2 build`"):
        layout.require_dataset_folder(tmp_path)
