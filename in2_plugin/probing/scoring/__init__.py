"""Scoring answers, position curves, and their statistics."""
