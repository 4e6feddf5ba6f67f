"""Preflight of runs that train on prompts and rewards."""
