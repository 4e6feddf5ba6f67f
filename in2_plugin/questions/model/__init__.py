"""Write questions with a language model: prompts, parsing, checks and verification."""
