"""The report as sentences and table cells."""
