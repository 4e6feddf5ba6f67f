"""The paper's own probing data."""
