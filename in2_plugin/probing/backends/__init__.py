"""Model backends for lm_eval that read each context once."""
