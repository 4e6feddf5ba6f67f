"""Scores of answers, curves over positions, and their statistics."""
