import pytest

from in2_plugin.cli.tables import make_console, make_table


@pytest.mark.parametrize("width", [80, 200])
def test_output_outside_a_terminal_is_plain_and_unwrapped(capsys, width):
    table = make_table("Avg / Gap, %", ["All"])
    table.add_row("m" * 60, "74.2 / 32.0")
    make_console(width).print(table)
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["Avg", "/", "Gap,", "%", "All"]
    assert row.rstrip() == f"{'m' * 60}  74.2 / 32.0"
