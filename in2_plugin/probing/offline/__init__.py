"""Probes as files for any inference engine: `in2 val write` and `in2 val score`."""
