import json

import lm_eval_results as made
import pytest

import in2_plugin.reporting
from in2_plugin.errors import ConfigError, ReportError
from in2_plugin.reporting import WrittenReport, write_report


def test_the_public_names():
    assert in2_plugin.reporting.__all__ == ["WrittenReport", "write_report"]


def test_three_files_with_one_stem(before, after, tmp_path):
    written = write_report([before, after], tmp_path / "new" / "film.html", ["Base", "FILM"])
    assert isinstance(written, WrittenReport)
    assert [path.name for path in written.paths] == ["film.html", "film.json", "film.png"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["film.html", "film.json", "film.png"]
    assert json.loads(written.paths[1].read_text())["summary"] == written.comparison.summary
    assert written.paths[0].read_text().startswith("<!DOCTYPE html>")


def test_the_same_results_give_the_same_bytes(before, after, tmp_path):
    first = write_report([before, after], tmp_path / "a" / "r.html")
    second = write_report([before, after], tmp_path / "b" / "r.html")
    for one, other in zip(first.paths, second.paths, strict=True):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", ["report", "report.pdf", "report.htm.gz"])
def test_the_output_is_a_page(before, tmp_path, name):
    with pytest.raises(ConfigError, match=r"must end with \.html"):
        write_report([before], tmp_path / name)


def test_an_error_leaves_the_old_report(before, tmp_path):
    written = write_report([before], tmp_path / "out" / "r.html")
    old = written.paths[0].read_bytes()
    made.write(tmp_path / "bad", made.content("m", {"code": [2.0] * 16}))
    with pytest.raises(ReportError):
        write_report([before, tmp_path / "bad"], tmp_path / "out" / "r.html")
    assert written.paths[0].read_bytes() == old


def test_seven_results_are_refused_before_any_is_read(tmp_path):
    with pytest.raises(ConfigError, match="at most 6"):
        write_report([tmp_path / "nowhere"] * 7, tmp_path / "r.html")
