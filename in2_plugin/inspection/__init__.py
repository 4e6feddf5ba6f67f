"""Looks at a dataset folder and changes nothing: how far it is, and whether everything holds that must."""
