"""The evidence study: does the depth of answers in training decide what a model finds afterwards?

    python -m benchmarks.evidence run --out DIR       # data, training, probes; resumable
    python -m benchmarks.evidence report DIR          # the page with tables, curves and verdicts
    python -m benchmarks.evidence power               # questions needed to see a dip

`study.yml` has every number. `running/` produces one row per cell, `analysis/` reads rows only.
"""
