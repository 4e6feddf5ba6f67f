import pytest
from rich.console import Console

from in2_plugin.cli.tables import make_console, make_table


def test_eighty_columns_hold_the_names_and_all_figures_of_a_report(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    table = make_table("Ends - middle/Avg/Gap, %", ["Document", "Code", "Database", "All"])
    table.add_row("Mistral-7B-Instruct-v0.2 (paper)", *["+27.5/20.3/59.5"] * 4)
    Console(width=80, force_terminal=False).print(table)
    output = capsys.readouterr().out
    assert "Mistral-7B" in output and output.count("+27.5/20.3/59.5") == 4
    assert max(map(len, output.splitlines())) <= 80


@pytest.mark.parametrize("width", [80, 200])
def test_output_outside_a_terminal_is_plain_and_unwrapped(capsys, width):
    table = make_table("Avg / Gap, %", ["All"])
    table.add_row("m" * 60, "74.2 / 32.0")
    make_console(width).print(table)
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["Avg", "/", "Gap,", "%", "All"]
    assert row.rstrip() == f"{'m' * 60}  74.2 / 32.0"
