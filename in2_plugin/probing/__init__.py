"""VAL Probing (paper, section 4): contexts of many small items, one question about each, a score per position.

`probes/` defines probes and builds their prompts, `scoring/` turns answers into curves, `lm_eval/` and `backends/` run
them, `offline/` reads and writes files for other engines, `published/` reads the authors' data. Import from the
modules: this package re-exports nothing, so that importing it is cheap.
"""
