"""The stages of a build, one module per stage, and the `in2 estimate` and `in2 preview` commands over a sample."""
