"""Expectations about what `in2 doctor` finds in a damaged dataset folder."""

from pathlib import Path

from in2_plugin.inspection.doctor.run import examine


def assert_finding(folder: Path, check: str, message: str) -> None:
    """Assert that a check fails with a finding whose location and text contain `message`."""
    examination = examine(folder)
    assert check in examination.failed
    assert not examination.is_sound
    found = [finding for finding in examination.findings if finding.check == check]
    assert any(message in f"{finding.where} {finding.what}" for finding in found), examination.findings
    assert all(finding.advice and "\n" not in finding.what for finding in found)
