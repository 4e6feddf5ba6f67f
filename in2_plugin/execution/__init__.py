"""What runs a stage's shards: processes on this machine, or a Ray cluster. Nothing of a stage is decided here."""
