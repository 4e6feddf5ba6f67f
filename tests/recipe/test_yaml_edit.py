"""Check edits of single keys in YAML text."""

import pytest
import yaml

from in2_plugin.errors import ConfigError
from in2_plugin.recipe.yaml_edit import add_key, change_key, read_edits

BASE = """\
# Title
name: a  # ours: x
list:
  - path: p # kept
    type: t  # ours: y
  # about the next section
section:
  # about the inner key
  inner: {a: 1, b: [2, 3]}  # paper: z
last: 1  # ours: w
"""


def edits(text: str):
    (found,) = read_edits(text, yaml.compose(text, Loader=yaml.SafeLoader), "overlay")
    return found


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        ("name: b  # ours: new", "name: b                                           # ours: new"),
        ("list.0.path: q  # ours: new", "  - path: q                                       # ours: new"),
        ("section.inner: {a: 2}  # ours: new", "  inner: {a: 2}                                   # ours: new"),
        ('last: "a # b"  # ours: new', 'last: "a # b"                                     # ours: new'),
        ('"#": Another title', "# Another title"),
    ],
)
def test_one_line_changes_and_all_others_stay(edit, line):
    changed = change_key(BASE, edits(edit)).splitlines()
    assert [new for new, old in zip(changed, BASE.splitlines(), strict=True) if new != old] == [line]


@pytest.mark.parametrize(
    ("edit", "before", "lines"),
    [
        ("new: 2  # ours: n", None, ["new: 2                                            # ours: n"]),
        ("list.0.n: 5  # ours: n", "  # about", ["    n: 5                                          # ours: n"]),
        ("section.more: x  # ours: n", "last: 1", ["  more: x                                         # ours: n"]),
        ("block:\n  # why\n  key: 1  # paper: n\n", None, ["block:", "  # why", "  key: 1  # paper: n"]),
    ],
)  # fmt: skip
def test_a_key_is_added_at_the_end_of_its_section(edit, before, lines):
    changed = add_key(BASE, edits(edit)).splitlines()
    start = next((i for i, line in enumerate(changed) if before and line.startswith(before)), len(changed))
    assert changed[start - len(lines) : start] == lines
    assert [line for line in changed if line not in lines] == BASE.splitlines()


@pytest.mark.parametrize(
    ("function", "edit", "message"),
    [
        (change_key, "nmae: b  # ours: n", "there is no key `nmae` to change"),
        (change_key, "list.1.path: b  # ours: n", r"there is no key `list\.1\.path`"),
        (change_key, "section: 1  # ours: n", "`section` is a block of lines"),
        (add_key, "name: b  # ours: n", "`name` is there already; list it under `change`"),
        (add_key, "sections.more: b  # ours: n", "there is no section `sections`"),
    ],
)
def test_an_edit_that_does_not_fit_is_an_error(function, edit, message):
    with pytest.raises(ConfigError, match=message):
        function(BASE, edits(edit))


def test_every_edit_gives_its_reason():
    with pytest.raises(ConfigError, match="overlay: `name` has no comment; add its reason"):
        edits("name: b")
