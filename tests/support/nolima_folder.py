"""An invented folder in the format of adobe-research/NoLiMa, `data`: the needles are about trades, the book is dull."""

import json
from pathlib import Path
from typing import Any

CHARACTERS = ["Odile", "Bertram", "Xanthe"]


def needle_set() -> list[dict[str, Any]]:
    return [
        {
            "id": "0901",
            "reasoning_type": "world_knowledge",
            "system_prompt": "",
            "needle": "Last winter {CHAR} mended the roof of the {1}.",
            "questions": {
                "onehop": "Who has worked in {2}?",
                "twohop": "Who has worked in the region of {3}?",
                "direct": "Who was at the {1}?",
            },
            "character_set": CHARACTERS,
            "tests": {
                "T1": {"input_args": ["Louvre", "Paris", "Ile-de-France"]},
                "T2": {"input_args": ["Prado", "Madrid", "Castile"]},
            },
        },
        {
            "id": "0902",
            "system_prompt": "",
            "task_template": "Snippet: {haystack}\nAnswer with one word: {question}",
            "needle": "The old {1} in the yard had not been fed since noon.",
            "questions": {"onehop": "Which sound was heard?"},
            "tests": {"T1": {"input_args": ["donkey"], "gold_answers": ["bray", "Bray"]}},
        },
    ]


def book(number: int, n_lines: int) -> str:
    return "".join(
        f"Line {n} of volume {number} tells of rain, {n % 7} umbrellas and a tram.\n" for n in range(n_lines)
    )


def save(folder: Path, entries: Any = None, n_books: int = 2, n_lines: int = 400) -> Path:
    """Write the folder and return it."""
    (folder / "needlesets").mkdir(parents=True)
    (folder / "haystack/rand_shuffle").mkdir(parents=True)
    (folder / "needlesets/needle_set.json").write_text(json.dumps(needle_set() if entries is None else entries))
    for number in range(n_books):
        (folder / f"haystack/rand_shuffle/rand_book_{number + 1}.txt").write_text(book(number, n_lines))
    return folder
