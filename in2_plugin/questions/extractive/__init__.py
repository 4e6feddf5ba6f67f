"""Make questions from the text itself, without a language model."""
