"""VAL probes: definitions and their registry, items, contexts, prompts, options."""
