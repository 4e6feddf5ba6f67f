"""The functions that the YAML files in this folder name; their code is in in2_plugin.probing."""

from in2_plugin.probing.lm_eval.loaders import loaders
from in2_plugin.probing.lm_eval.tasks import (  # noqa: F401
    aggregate_avg,
    aggregate_avg_paper,
    aggregate_dip,
    aggregate_gap,
    aggregate_gap_paper,
    aggregate_scores,
    aggregate_span,
    aggregate_unfinished,
    doc_to_target,
    doc_to_text,
    process_results,
)

globals().update(loaders())  # load_document, load_paper_document and so on
