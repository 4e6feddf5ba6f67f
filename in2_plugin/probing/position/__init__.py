"""Position probes: every question is asked at several depths, so that the depth is the only difference."""
