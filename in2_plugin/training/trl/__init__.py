"""The TRL dataset, trainer and launcher."""
