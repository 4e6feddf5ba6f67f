from in2_plugin.errors import EndpointError, MissingExtra, one_line


def test_one_line_joins_lines_and_spaces() -> None:
    assert one_line(EndpointError("no answer\n  in\t5 s ")) == "no answer in 5 s"
    assert one_line("plain\ntext") == "plain text"


def test_one_line_of_an_error_without_text_is_its_class() -> None:
    assert one_line(TimeoutError()) == "TimeoutError"
    assert one_line("") == ""


def test_one_line_cuts_long_texts() -> None:
    assert one_line("x" * 300) == "x" * 300
    assert one_line(ValueError("x" * 301)) == "x" * 300 + "..."
    assert one_line("abcdef", limit=3) == "abc..."


def test_missing_extra_names_the_install_command() -> None:
    assert 'pip install "in2-plugin[ray]"' in str(MissingExtra("`--engine ray`", "ray"))
