"""Answers that a teacher writes from the gold segments alone, and the dataset that has them."""
