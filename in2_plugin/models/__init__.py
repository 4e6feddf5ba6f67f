"""Small pretrained models that a package index offers, for machines without a network to a model hub."""
