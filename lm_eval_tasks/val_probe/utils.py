"""Names for the YAML files beside this one; everything is in in2_plugin.probing.harness."""

from in2_plugin.probing import harness

doc_to_text = harness.doc_to_text
doc_to_target = harness.doc_to_target
process_results = harness.process_results
aggregate_avg = harness.aggregate_avg
aggregate_gap = harness.aggregate_gap
aggregate_span = harness.aggregate_span


def load_document(**lm_eval_args):
    return harness.load("document", lm_eval_args)


def load_code(**lm_eval_args):
    return harness.load("code", lm_eval_args)


def load_database(**lm_eval_args):
    return harness.load("database", lm_eval_args)
