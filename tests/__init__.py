"""Tests: one file for each module of the package, under the same path; helpers are in `tests/support`."""
