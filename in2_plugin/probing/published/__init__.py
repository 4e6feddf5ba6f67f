"""The probing data that the paper's authors published."""
