"""The HTML page of a dataset: its audit drawn, and examples with their gold segments marked."""
