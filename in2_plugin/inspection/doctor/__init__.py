"""The doctor: check every invariant of a dataset folder."""
