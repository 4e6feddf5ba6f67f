"""Validate the files of a recipe folder."""
