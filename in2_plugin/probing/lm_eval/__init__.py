"""The VAL probes as lm_eval tasks, and the command `in2 lm-eval`."""
