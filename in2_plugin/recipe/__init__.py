"""Recipes: compose, plan and validate their folders."""
