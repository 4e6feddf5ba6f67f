"""Helpers of the tests: local servers, made tokenizers and models, launchers of the real tools."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout."""
TESTS = ROOT / "tests"
SUPPORT = TESTS / "support"
