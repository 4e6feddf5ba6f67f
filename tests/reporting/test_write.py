import json

import pytest

import in2_plugin.reporting
from in2_plugin.errors import ConfigError, ReportError
from in2_plugin.reporting import WrittenReport, write_report
from tests.support import lm_eval_results as made
from tests.support import position_results as made_position


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


def test_a_position_probe_opens_with_its_headline_curve_and_three_questions(tmp_path):
    answers = {"before": made_position.only_ends, "after": made_position.reader}
    for label, answer in answers.items():
        made_position.write(tmp_path / label, label, answer, questions=10)
    written = write_report([tmp_path / label for label in answers], tmp_path / "r.html", list(answers))
    (headline,) = written.record["headlines"]
    page = written.paths[0].read_text()
    section = page[page.index('<section class="position"') :]
    parts = [
        "Improved: from 40.0% right answers",
        "<svg",
        "Question</th>",
        "after reads the middle better",
        "The gold alone",
    ]
    places = [section.index(part) for part in parts]
    assert places == sorted(places) and page.count(headline["sentence"]) == 1
    assert section[places[2] : places[3]].count('<tr><th scope="row">') == 3


def test_the_headlines_of_all_probes_are_in_the_record_once(tmp_path):
    for label, level in (("before", 0.3), ("after", 0.8)):
        content = made.content(label, {})
        made.add(content, "val_probe_code", made.drawn_sets([level] * 16, 100, 0))
        made.write(tmp_path / label, content)
        answer = made_position.reader if label == "after" else made_position.only_ends
        made_position.write(tmp_path / label / "litm", label, answer, questions=10)
    sources = [tmp_path / "before", tmp_path / "after"]
    record = write_report(sources, tmp_path / "r.html", ["before", "after"]).record
    assert [(one["task"], one["outcome"]) for one in record["headlines"]] == [
        ("litm_qa", "improved"),
        ("code", "improved"),
    ]
    assert set(record["headlines"][0]) == {"task", "outcome", "sentence", "next_step", "average", "dip"}
    assert (tmp_path / "r.json").read_text().count(record["headlines"][0]["sentence"]) == 1


def test_a_page_without_an_improvement_says_what_to_try(tmp_path):
    for label in ("before", "after"):
        made_position.write(tmp_path / label, label, made_position.only_ends, questions=10)
    written = write_report([tmp_path / "before", tmp_path / "after"], tmp_path / "r.html", ["before", "after"])
    assert f"<p>{written.record['headlines'][0]['next_step']}</p>" in written.paths[0].read_text()


def test_one_model_has_no_headline(before, tmp_path):
    assert write_report([before], tmp_path / "r.html").record["headlines"] == []
