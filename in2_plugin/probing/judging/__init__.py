"""Judge logged answers of position probes with a language model, beside the score by contained texts."""
