"""Inspect a dataset folder without changing its data: status, doctor, audit and its page."""
