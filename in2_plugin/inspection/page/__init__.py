"""The HTML page of a dataset: plots of its audit, and examples with their gold segments marked."""
