"""Engines that run the shards of a stage: processes on this machine, or a Ray cluster."""
