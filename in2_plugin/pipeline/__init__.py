"""The stages of a build, one file each. A stage that is sealed is not done again."""
