"""Fixtures of the rooms whose results the commands show."""

from tests.reporting.conftest import after, before, rich, rich_folder
from tests.sharing.conftest import build_shared, in_chat, in_chatml, in_film

__all__ = ["after", "before", "build_shared", "in_chat", "in_chatml", "in_film", "rich", "rich_folder"]
