"""Vocabularies and grammars of the bundled probe items, for scripts/make_probe_items.py."""
