"""Run a study: data by `in2 build`, training by `in2 sft`'s script, probes by `in2 lm-eval`."""
