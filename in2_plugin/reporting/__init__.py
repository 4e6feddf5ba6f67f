"""Report VAL probe results on one page: curves by position, averages and gaps, before and after.

`write_report` is the only entry point; the command is `in2 report` (`in2_plugin/cli/report.py`).
"""

from in2_plugin.reporting.write import WrittenReport, write_report

__all__ = ["WrittenReport", "write_report"]
