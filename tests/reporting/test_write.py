import json

import pytest

import in2_plugin.reporting
from in2_plugin.errors import ConfigError, ReportError
from in2_plugin.reporting import WrittenReport, write_report
from tests.support import lm_eval_results as made


def test_the_package_exports_its_public_names():
    assert in2_plugin.reporting.__all__ == ["WrittenReport", "write_report"]


def test_the_three_files_share_one_stem(before, after, tmp_path):
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
def test_the_output_must_be_an_html_file(before, tmp_path, name):
    with pytest.raises(ConfigError, match=r"must end with \.html"):
        write_report([before], tmp_path / name)


def test_an_error_leaves_the_old_report(before, tmp_path):
    written = write_report([before], tmp_path / "out" / "r.html")
    old = written.paths[0].read_bytes()
    made.write(tmp_path / "bad", made.content("m", {"code": [2.0] * 16}))
    with pytest.raises(ReportError):
        write_report([before, tmp_path / "bad"], tmp_path / "out" / "r.html")
    assert written.paths[0].read_bytes() == old


def test_the_report_accepts_any_number_of_results(before, after, tmp_path):
    labels = [f"m{i}" for i in range(7)]
    written = write_report([before, *[after] * 6], tmp_path / "r.html", labels)
    assert [model.label for model in written.comparison.models] == labels
    assert written.paths[2].read_bytes().startswith(b"\x89PNG")


MMLU = {
    "results": {"mmlu": {"acc,none": 0.5, "acc_stderr,none": 0.01}},
    "configs": {"mmlu": {"task": "mmlu", "num_fewshot": 5}},
    "n-shot": {"mmlu": 5},
    "n-samples": {"mmlu": {"original": 14042, "effective": 14042}},
    "model_name": "org/m",
}


def test_other_benchmarks_alone_give_a_report_without_a_picture(tmp_path):
    made.write(tmp_path / "suite", MMLU)
    written = write_report([tmp_path / "suite"], tmp_path / "r.html")
    assert [path.name for path in written.paths] == ["r.html", "r.json"]
    page = written.paths[0].read_text()
    assert "Evaluation: m" in page
    assert "Average and gap" not in page
    assert "MMLU" in page
    assert written.suite.labels == ("m",)
    assert json.loads(written.paths[1].read_text())["suite"] == written.suite.as_json()


def test_other_benchmarks_are_shown_next_to_the_probes(before, tmp_path):
    made.write(tmp_path / "suite", MMLU)
    written = write_report([before, tmp_path / "suite"], tmp_path / "r.html")
    page = written.paths[0].read_text()
    assert page.index("Ends minus middle, average") < page.index("MMLU") < page.index("Settings of the measurement")
    assert len(written.paths) == 3


def test_without_other_benchmarks_the_section_is_omitted(before, tmp_path):
    written = write_report([before], tmp_path / "r.html")
    assert written.suite is None
    assert "suite" not in json.loads(written.paths[1].read_text())


def test_a_folder_without_any_results_is_an_error(before, tmp_path):
    made.write(tmp_path / "none", {"results": {"something_else": {"acc,none": 0.5}}, "model_name": "m"})
    with pytest.raises(ReportError, match="none holds no val_probe results; run"):
        write_report([before, tmp_path / "none"], tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()
