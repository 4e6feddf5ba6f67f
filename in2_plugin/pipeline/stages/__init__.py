"""The stages that make a dataset, one module each, with the modules that a single stage needs."""
