"""Change files of a copied recipe in tests."""

from pathlib import Path


def replace_in(file: Path, old: str, new: str) -> None:
    """Replace a text that the file must contain."""
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{file}: {old}"
    file.write_text(text.replace(old, new), encoding="utf-8")
