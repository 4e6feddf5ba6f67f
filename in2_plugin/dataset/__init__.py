"""The dataset folder on disk: reading it, its tables, its plans, and the record of its build."""
