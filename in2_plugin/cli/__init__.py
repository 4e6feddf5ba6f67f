"""The command `in2`, and the same commands as `axolotl in2 ...`.

One small file per command; each imports its stage inside the function, so that `in2 --help` stays light.
"""
