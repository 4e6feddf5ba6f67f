"""Preflight: what a training configuration would lose, need and cost, said before a GPU is rented."""
