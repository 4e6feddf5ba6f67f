"""Plan a recipe: memory, time, tokens, disk and money."""
