"""The extractive writer: questions made from the text itself, without a language model."""
