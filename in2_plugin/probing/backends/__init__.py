"""Model backends for lm_eval that prefill each context once."""
