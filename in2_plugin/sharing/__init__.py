"""Handing a finished dataset on: to trainers that know nothing of this package, and to the Hugging Face hub."""
