"""Plan contexts from questions, and render them to token ids and labels."""
