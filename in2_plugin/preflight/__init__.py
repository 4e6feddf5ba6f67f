"""Preflight: report what a training config loses, needs and costs before a GPU is rented."""
