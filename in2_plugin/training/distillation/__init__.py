"""Self-distillation: train a model on what a teacher answers from the gold segments alone."""
