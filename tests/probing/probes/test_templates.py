"""The two prompt templates."""

from in2_plugin.probing.probes.templates import TEMPLATES


def test_the_context_comes_first_and_film_adds_its_tags():
    plain, film = (TEMPLATES[name].prompt("the context", "the question?") for name in ("plain", "film"))
    assert plain.index("the context") < plain.index("the question?") and plain.endswith("the question?")
    assert film == f"[INST] {plain} [/INST]"
    assert not TEMPLATES["film"].takes_chat_template and TEMPLATES["plain"].takes_chat_template


def test_the_closed_book_prompt_has_no_context():
    assert "### Context" not in TEMPLATES["plain"].without_context("the question?")
