"""Tables of values and templates that `scripts/make_recipes.py` makes the recipe folders of."""
