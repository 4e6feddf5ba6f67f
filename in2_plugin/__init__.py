"""in2-plugin: build information-intensive (IN2) training data, train on it, and probe the result.

Method: An et al., "Make Your LLM Fully Utilize the Context", arXiv 2404.16811. Importing this package is
cheap: nothing heavier than the standard library is loaded until a stage is used.
"""

__version__ = "0.1.0.dev0"

__all__ = ["__version__"]
