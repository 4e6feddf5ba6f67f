"""The functions that the YAML files in this folder name; their code is in in2_plugin.probing."""

from in2_plugin.probing.lm_eval.loaders import position_loaders
from in2_plugin.probing.lm_eval.position_tasks import (  # noqa: F401
    aggregate_avg,
    aggregate_dip,
    aggregate_scores,
    aggregate_unfinished,
    doc_to_target,
    doc_to_text,
    process_results,
)

globals().update(position_loaders())  # load_litm_kv, load_in2_probe_closed_book and so on
