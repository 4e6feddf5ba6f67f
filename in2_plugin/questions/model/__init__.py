"""The writer that asks a language model: prompts, parsing, checks and verification."""
