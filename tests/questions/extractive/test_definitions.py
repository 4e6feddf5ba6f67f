"""Names of functions and classes, the lines in their bodies, and signatures."""

import ast

import pytest

from in2_plugin.questions.extractive.code_lines import code_lines
from in2_plugin.questions.extractive.definitions import owners, signatures
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
KOTLIN = """suspend fun loadReports(path: String): List<Report> {
    val parser = ReportParser(path)
    withContext(Dispatchers.IO) {
        parser.readEverything()
    }
    parser.closeEverything()
}"""
GTEST = """TEST_F(HarbourTest, CountsShips) {
  harbour.enterShip();
}"""
C = """static struct ship *find_ship(struct list *ships) {
    list_for_each_entry(ship, ships, node) {
        print_ship(ship->name);
    }
#ifdef CHECKED
    check_ships(ships);
#endif
    if (ships->is_empty) {
        return NULL;
    }
}"""
CPP = """namespace harbour_tools {
struct ship_counter;
Queue::Queue(int limit)
    : limit_(limit) {
  items_.reserve(limit_);
}
}"""
JAVA = """public class HarbourService extends Service
{
    public void enterHarbour(String name,
            int size) throws IOException {
        ships.add(name);
        executor.submit(new Runnable() {
            public void run() {
                ships.remove(name);
            }
        });
    }
    private void leaveHarbour(String name)
    {
        counter -= 1;
    }
}"""
DOCSTRING = '''class Reader:
    def read_all(self, path):
        """Read it like this:

        def example_reader(path):
            print(path)
        """
        template = """
    class Template(Base):
        value_of_it = 3
"""
        return self.rows_of(path)

    column = 3'''
INSIDE = '''def example_reader(path):
            print(path)
        """
        return self.rows_of(path)'''
PROSE = """class definitions::

    value_of_it = 3"""
MODULE = """def first_function(path):
    return path

try:
    import numpy
except ImportError:
    numpy = None"""
DEFAULT = """def log10_bound(c, correction = {
        1: 100, 2: 70}):
    return correction[c]"""


def around(text: str) -> dict[str, str | None]:
    lines = text.split("\n")
    return {line.strip(): owner for line, owner in zip(lines, owners(lines), strict=True)}


def test_the_owner_is_the_innermost_definition():
    owners = around(JAVASCRIPT)
    assert owners["this.limit = limit;"] == "constructor"
    assert owners['throw new Error("full");'] == "push"
    assert owners["export class Queue {"] is None


@pytest.mark.parametrize(("text", "line", "owner"), [
    (KOTLIN, "val parser = ReportParser(path)", "loadReports"), (KOTLIN, "parser.readEverything()", None),
    (KOTLIN, "parser.closeEverything()", "loadReports"), (GTEST, "harbour.enterShip();", None),
    (C, "print_ship(ship->name);", None), (C, "check_ships(ships);", "find_ship"), (C, "return NULL;", "find_ship"),
    (CPP, "struct ship_counter;", None), (CPP, "items_.reserve(limit_);", "Queue::Queue"),
    (JAVA, "ships.add(name);", "enterHarbour"), (JAVA, "ships.remove(name);", "run"),
    (JAVA, "counter -= 1;", "leaveHarbour"), (JAVA, "private void leaveHarbour(String name)", "HarbourService"),
    (DOCSTRING, "print(path)", None), (DOCSTRING, "value_of_it = 3", None),
    (DOCSTRING, "return self.rows_of(path)", "read_all"), (DOCSTRING, "column = 3", "Reader"),
    (INSIDE, "print(path)", None), (INSIDE, "return self.rows_of(path)", None), (PROSE, "value_of_it = 3", None),
    (MODULE, "return path", "first_function"), (MODULE, "import numpy", None), (MODULE, "numpy = None", None),
    (DEFAULT, "1: 100, 2: 70}):", None),
])  # fmt: skip
def test_owners_in_other_languages_and_around_strings(text, line, owner):
    """Macros, calls with a block, and headers in strings are no definitions."""
    assert around(text)[line] == owner


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
        "async def write(rows):": "write", "public static class Row {": "Row",
        "func (q *Queue) Push(x int) error {": "Push",
        "const add = (a, b) => {": "add", "void Queue::push(int x) {": "Queue::push", "if (x > 3) {": None,
        "x = f(3)": None,
    }  # fmt: skip
    assert {line: owners([line, "    body = 3"])[1] for line in named} == named


def test_signatures_in_code_and_in_a_reference():
    found = signatures([REFERENCE, "    def size(self, unit: str) -> int:\n        if ready(self): return 3"])
    assert [(one.segment, one.name, one.parameters) for one in found] == [
        (0, "os.writev", "(fd, buffers, /)"), (0, "os.get_blocking", "(fd)"),
        (0, "smtpd.PureProxy", "(localaddr, remoteaddr)"), (1, "size", "(self, unit: str) -> int"),
    ]  # fmt: skip
