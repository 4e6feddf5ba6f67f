"""Names for the YAML files beside this one; everything is in in2_plugin.probing."""

from in2_plugin.probing.lm_eval import tasks as harness
from in2_plugin.probing.published import tasks as published_tasks

doc_to_text = harness.doc_to_text
doc_to_target = harness.doc_to_target
process_results = harness.process_results
aggregate_avg = harness.aggregate_avg
aggregate_gap = harness.aggregate_gap
aggregate_avg_paper = harness.aggregate_avg_paper
aggregate_gap_paper = harness.aggregate_gap_paper
aggregate_span = harness.aggregate_span
aggregate_scores = harness.aggregate_scores


def _loader(load, name):
    # a function of its own and no partial: lm_eval asks for its source text
    def load_probe(**lm_eval_args):
        return load(name, lm_eval_args)

    return load_probe


for _name in harness.ALL_KINDS:
    globals()[f"load_{_name}"] = _loader(harness.load, _name)
for _name in harness.KINDS:
    globals()[f"load_paper_{_name}"] = _loader(published_tasks.load_published, _name)
