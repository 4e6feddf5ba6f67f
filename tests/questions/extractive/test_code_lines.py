"""Lines of code, and their blocks."""

import pytest

from in2_plugin.questions.extractive.code_lines import code_lines, looks_like_code


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


def test_an_indented_block_needs_three_lines_that_look_like_code():
    lines = ["    ship = harbour.find(3)", "    ship.anchor()", "    return ship"]
    text = "\n".join(["The harbour master says::", "", *lines, "", "Then the tide turns."])
    assert [(line.number, line.text) for line in code_lines([text])] == [
        (2, "ship = harbour.find(3)"), (3, "ship.anchor()"), (4, "return ship"),
    ]  # fmt: skip
    assert code_lines([text.replace(lines[2], "    of the bay")]) == []
