"""Blocks of code, the definitions around their lines, and signatures."""

import ast

import pytest

from in2_plugin.questions.extractive.code_lines import code_lines, defined_name, looks_like_code, signatures
from tests.support.styled_texts import PYTHON, REFERENCE, segments_of

JAVASCRIPT = """export class Queue {
  constructor(limit) {
    this.limit = limit;
  }

  async push(item) {
    if (this.items.length >= this.limit) {
      throw new Error("full");
    }
    await this.items.push(item);
  }
}"""


@pytest.mark.parametrize("line", [
    "return [row for row in rows if row]", "x = 3", "self.limit: int = limit", "import numpy as np", "@lru_cache",
    "for row in rows:", "write_rows(path, rows)", "this.items.push(item);", "public int size() {", "}",
    '#include <stdio.h>', ">>> 1 + 1", "$ make check", "pip install in2-plugin", "let x = 3;",
])  # fmt: skip
def test_lines_of_code(line):
    assert looks_like_code(line)


@pytest.mark.parametrize("line", [
    "The harbour master kept a daily log of every ship.", "return to the village before the night falls;",
    "os.writev(fd, buffers, /): Write the contents of buffers.", "| a | b |", "- an item;", '{"id": 3, "name": "x"}',
    "语言模型在处理很长的输入时，往往只注意开头和结尾的内容；", "key: value", "x" * 400 + ";",
    "Ishikawa,Thessaloniki,2020",
])  # fmt: skip
def test_lines_of_prose_and_data(line):
    assert not looks_like_code(line)


def test_blocks_are_found_between_paragraphs_in_fences_and_after_prompts():
    text = "Some prose.\n\n```python\nx\n```\n\nMore prose.\n\n>>> first(3)\n[1, 2, 3]\n>>> second(3)\nNone\n\nAn end."
    assert [(line.number, line.text) for line in code_lines([text])] == [
        (3, "x"), (8, ">>> first(3)"), (9, "[1, 2, 3]"), (10, ">>> second(3)"),
    ]  # fmt: skip
    assert code_lines(["```json\nx = 3\n```", "A single line;\nis no block."]) == []


def test_the_owner_is_the_innermost_definition():
    owners = {line.text: line.owner for line in code_lines([JAVASCRIPT])}
    assert owners["this.limit = limit;"] == "constructor"
    assert owners['throw new Error("full");'] == "push"
    assert owners["export class Queue {"] is None


def test_owners_agree_with_the_syntax_tree():
    """A line of a Python source has the owner that Python sees, or none when that begins before the segment."""
    compared = 0
    for path in PYTHON:
        source = path.read_text(encoding="utf-8")
        spans: dict[int, str] = {}
        for node in ast.walk(ast.parse(source)):  # breadth first: inner definitions overwrite outer ones
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                spans |= dict.fromkeys(range(node.body[0].lineno, node.end_lineno + 1), node.name)
        lines = [line.strip() for line in source.split("\n")]
        for line in (line for part in segments_of(source) for line in code_lines([part])):
            # a comment before the first statement is not in the tree
            if line.owner and lines.count(line.text) == 1 and not line.text.startswith("#"):
                assert line.owner == spans[lines.index(line.text) + 1], (path, line)
                compared += 1
    assert compared > 500


def test_a_definition_on_the_first_line_reaches_as_far_as_its_body():
    """The segmentation removes the indentation of the first line, here four spaces."""
    text = "def first(self):\n        a = compute(self)\n        b = compute(a)\n    c = compute(b)\n    d = 3"
    assert [line.owner for line in code_lines([text])] == [None, "first", "first", None, None]


def test_names_of_definitions():
    named = {
        "async def write(": "write", "public static class Row {": "Row", "func (q *Queue) Push(x int) error {": "Push",
        "const add = (a, b) => {": "add", "void Queue::push(int x) {": "Queue::push", "if (x > 3) {": None,
        "x = f(3)": None,
    }  # fmt: skip
    assert {line: defined_name(line) for line in named} == named


def test_signatures_in_code_and_in_a_reference():
    found = signatures([REFERENCE, "    def size(self, unit: str) -> int:\n        if ready(self): return 3"])
    assert [(one.segment, one.name, one.parameters) for one in found] == [
        (0, "os.writev", "(fd, buffers, /)"), (0, "os.get_blocking", "(fd)"),
        (0, "smtpd.PureProxy", "(localaddr, remoteaddr)"), (1, "size", "(self, unit: str) -> int"),
    ]  # fmt: skip
