"""The command line: `in2 ...`, also as `axolotl in2 ...`.

One module per command. Each imports its stage inside the function, so that `in2 --help` stays fast.
"""
