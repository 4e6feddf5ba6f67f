"""What the READMEs of recipes tell people to install."""

import re
from importlib import metadata

import pytest

from in2_plugin.inspection.environment.tested import tested_versions
from tests.support import ROOT

READMES = sorted((ROOT / "recipes").glob("*/README.md"))


def test_the_extras_of_axolotl_exist_in_its_newest_version():
    pytest.importorskip("axolotl")
    newest = next(each for each in tested_versions() if each.name == "newest-axolotl").packages["axolotl"]
    if metadata.version("axolotl") != newest:
        pytest.skip(f"READMEs speak of axolotl {newest}")
    offered = set(metadata.metadata("axolotl").get_all("Provides-Extra"))
    for readme in READMES:
        named = re.findall(r"axolotl\[([\w,-]+)\]", readme.read_text(encoding="utf-8"))
        assert {extra for names in named for extra in names.split(",")} <= offered, readme
