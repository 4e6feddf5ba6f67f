from in2_plugin.inspection.report import MAX_FINDINGS, CheckReport


def test_further_errors_of_a_check_are_counted():
    report = CheckReport("x")
    for i in range(100):
        report.error(f"row {i}", "is bad", "fix it")
    assert report.n_errors == 100
    assert len(report.findings) == MAX_FINDINGS
    assert report.findings[-1].what == "and 96 more findings of this check"


def test_each_fault_of_a_row_is_an_error():
    report = CheckReport("x")
    report.errors("row 3", ["is empty", "is too long"], "fix it")
    assert [(finding.where, finding.what) for finding in report.findings] == [
        ("row 3", "is empty"), ("row 3", "is too long"),
    ]  # fmt: skip
    assert all(finding.is_error for finding in report.findings)


def test_notes_are_not_errors():
    report = CheckReport("x")
    report.note("work.sqlite", "empty answers: 2", "nothing to do")
    assert report.n_errors == 0
    assert [finding.is_error for finding in report.findings] == [False]
