import re
import tomllib

from packaging.requirements import Requirement

from in2_plugin.inspection.environment.tested import FOLDER, NAMES, tested_versions
from tests.support import ROOT

BOUNDS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_file_is_a_set():
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(NAMES)


def test_every_line_pins_a_version():
    for name in NAMES:
        lines = [line for line in (FOLDER / f"{name}.txt").read_text().splitlines() if not line.startswith("#")]
        assert lines and all(re.fullmatch(r"\w+==[\d.]+", line) for line in lines), name


def test_tested_versions_are_within_the_bounds_of_the_package():
    extras = BOUNDS["optional-dependencies"].values()
    bounds = [Requirement(line) for line in (*BOUNDS["dependencies"], *(line for extra in extras for line in extra))]
    for tested in tested_versions():
        for bound in bounds:
            version = tested.packages.get(bound.name)
            assert version is None or bound.specifier.contains(version), (tested.name, bound)


def test_each_python_is_a_classifier():
    said = {line.rpartition(" ")[2] for line in BOUNDS["classifiers"] if "Python :: 3" in line}
    assert {tested.python for tested in tested_versions()} == said


def test_the_makefile_installs_from_the_files_and_names_no_version():
    text = (ROOT / "Makefile").read_text()
    assert not re.search(r"==\d", text)
    for name in ("oldest", "newest-lm-eval", "newest-%"):
        assert f"$(TESTED)/{name}.txt" in text


def test_the_documented_table_has_these_versions():
    sets = tested_versions()
    packages = dict.fromkeys(name for tested in sets for name in tested.packages)
    rows = [["", *(tested.name for tested in sets)], ["Python", *(tested.python for tested in sets)]]
    rows += [[package, *(tested.packages.get(package, "-") for tested in sets)] for package in packages]
    rows.insert(1, ["---"] * len(rows[0]))
    table = "".join(f"| {' | '.join(row)} |\n".replace("|  |", "| |") for row in rows)
    assert table in (ROOT / "docs/status.md").read_text(), f"write into docs/status.md:\n{table}"
