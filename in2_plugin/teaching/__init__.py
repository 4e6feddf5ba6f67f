"""Gold rows, the scores that a teacher gives to answers in them, and what they say before a distillation."""
