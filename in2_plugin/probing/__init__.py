"""VAL Probing (paper, section 4): contexts of many small items, one question about each, a score per position.

Pure in the middle (`building`, `order`, `scoring`, `curves`); files, tokenizers and lm_eval only at the edges
(`pieces`, `tokens`, `window`, `harness`). Importing this package loads nothing heavier than Pydantic.
"""

from in2_plugin.probing.probes.items import read_pieces
from in2_plugin.probing.probes.kinds import KINDS, Kind, Piece
from in2_plugin.probing.probes.options import ProbeOptions, parse_options
from in2_plugin.probing.scoring.curves import Curve, Scored, curve, curve_from_positions, span_of

__all__ = [
    "KINDS",
    "Curve",
    "Kind",
    "Piece",
    "ProbeOptions",
    "Scored",
    "curve",
    "curve_from_positions",
    "parse_options",
    "read_pieces",
    "span_of",
]
