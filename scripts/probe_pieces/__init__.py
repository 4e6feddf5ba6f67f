"""The vocabularies and grammars of the bundled probe pieces; run by scripts/make_probe_pieces.py."""
