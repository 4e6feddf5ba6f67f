"""Build a position probe from a user's own documents: questions, contexts of several lengths, the probe folder."""
