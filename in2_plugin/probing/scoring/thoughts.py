"""Choose the part of a model's text that is scored: what follows its thoughts, or all of it.

Invariant: text inside thoughts, finished or not, earns nothing unless it is asked for. A model that lists every
candidate while it thinks would otherwise get full marks.
"""

from typing import Literal

from in2_plugin.answer_text import answer_text

Thoughts = Literal["opened", "closed", "separate", "scored"]
"""`opened`: the prompt itself opens a thought, so a text without a closing tag is unfinished. `closed`: it does not.
`separate`: the server removes thoughts, so nothing is left of an unfinished one. `scored`: the whole text counts."""
GivenThoughts = Literal["auto", "opened", "closed", "scored"]
"""`auto`: as the chat template says."""


def text_to_score(text: str, thoughts: Thoughts) -> tuple[str, bool]:
    """Return (the part of `text` that counts, True if it ends inside a thought, which leaves no answer).

    White space between a thought and the answer does not count: some scores read only the first line.
    """
    answer = answer_text(f"<think>{text}" if thoughts == "opened" else text)
    is_unfinished = answer is None or (thoughts == "separate" and not text.strip())
    if thoughts == "scored" or (thoughts == "closed" and answer == text):
        return text, is_unfinished
    return (answer or "").lstrip(), is_unfinished
