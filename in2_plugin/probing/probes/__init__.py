"""Building probe prompts: items, contexts, templates, depths."""
