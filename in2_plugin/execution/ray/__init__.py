"""The Ray engine: Ray Data pipelines over the shards of a stage."""
