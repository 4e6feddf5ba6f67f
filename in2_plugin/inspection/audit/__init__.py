"""The audit: compare a dataset with what its build file promises."""
