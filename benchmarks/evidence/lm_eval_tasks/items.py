"""What the YAML file names; lm_eval executes this file for each reference."""

from benchmarks.evidence.running.choices import load  # noqa: F401
