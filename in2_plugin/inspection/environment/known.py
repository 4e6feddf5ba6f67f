"""What is known about versions that the metadata of the packages does not say, as notes by Python version."""

from collections.abc import Iterator

from packaging.markers import Marker

KNOWN = {
    'python_version < "3.12"': "axolotl 0.20 and newer need Python 3.12; on this Python, pip installs 0.19",
    'python_version >= "3.13"': (
        "axolotl 0.21.0 requires zstandard==0.22.0, which has no wheel for this Python and does not compile on it; use "
        "Python 3.12 for Axolotl"
    ),
}
"""Sentences by the PEP 508 marker of the Python versions that they are about. Tried on 2026-11-30."""


def known_limits(python: str) -> Iterator[str]:
    """Yield the sentences that apply to a Python version such as `3.12.1`."""
    versions = {"python_version": ".".join(python.split(".")[:2]), "python_full_version": python}
    for marker, sentence in KNOWN.items():
        if Marker(marker).evaluate(versions):
            yield sentence
