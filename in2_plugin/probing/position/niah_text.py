"""The text of RULER's needle tasks: keys, values, needles, and the haystack around them.

Formats are those of NVIDIA/RULER, scripts/data/synthetic/niah.py and constants.py (Apache-2.0). RULER's haystack, Paul
Graham's essays, cannot be shipped; ours is the bundled corpus of Python documentation. RULER takes keys from the
package wonderwords; ours are two short lists. Invariant: no key and no value occurs in the haystack.
"""

import gzip
import json
import random
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, repeat
from pathlib import Path

from in2_plugin.corpus.sentences import sentence_spans
from in2_plugin.corpus.sources.splits import BUNDLED_FILE
from in2_plugin.errors import ProbeError

# RULER has one template with plurals and derives the singular by replacing `Some`, `are all` and `are` (niah.py)
BEFORE_ONE = (
    "A special magic {kind} is hidden within the following text. Make sure to memorize it. "
    "I will quiz you about the {kind} afterwards.\n"
)
ASK_ONE = "What is the special magic {kind} for {query} mentioned in the provided text?"
PREFIX_ONE = " The special magic {kind} for {query} mentioned in the provided text is"
BEFORE_ALL = (
    "Some special magic {kinds} are hidden within the following text. Make sure to memorize it. "
    "I will quiz you about the {kinds} afterwards.\n"
)
ASK_ALL = "What are all the special magic {kinds} for {query} mentioned in the provided text?"
PREFIX_ALL = " The special magic {kinds} for {query} mentioned in the provided text are"
NEEDLE = "One of the special magic {kinds} for {key} is: {value}."
NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
"""RULER's filler of niah_single_1, one unit."""
BUNDLED, REPEATED = "bundled", "noise"
_DIGITS = 7
_ADJECTIVES = """
amber ample azure bashful blunt brisk bronze candid chilly civil coastal copper crisp curly dapper dizzy dusty eager
earnest faint fluent foggy frosty gentle giddy glossy hasty hollow humble ivory jolly keen lavish lively lofty lucid
mellow misty modest nimble oblong placid plucky polite quaint quiet rustic sandy scenic sleek snug solemn spry stout
sturdy sunlit tangy tidy tranquil velvet vivid windy witty zesty
"""
_NOUNS = """
acorn anchor anvil apron badger barley basket beacon bobbin button cactus candle canoe cedar chimney clover compass
cradle cricket dolphin easel falcon feather ferry fiddle furnace garland ginger goblet hammock harbor hazel hinge iris
jacket kettle ladder lantern lilac locket magnet mallet marble meadow mitten nutmeg orchard otter paddle parsnip
pebble pelican pillow plover pulley quarry quill raisin ribbon saddle saffron sparrow spindle teapot thimble thistle
trellis turnip walnut wicker willow
"""


@dataclass(frozen=True, slots=True)
class NeedleWording:
    """RULER's sentences, with `{query}` for the keys that are asked for."""

    kinds: str
    before: str
    ask: str
    prefix: str
    """Start of the answer; empty unless it is part of the prompt."""

    def question(self, query: str) -> str:
        return self.ask.replace("{query}", query)

    def prompt(self, context: str, query: str) -> str:
        return f"{self.before}{context}\n{self.question(query)}{self.prefix.replace('{query}', query)}"

    def needle(self, key: str, value: str) -> str:
        return NEEDLE.format(kinds=self.kinds, key=key, value=value)


def needle_wording(kinds: str, is_one: bool, has_prefix: bool) -> NeedleWording:
    """Return RULER's sentences for one value or for several.

    Args:
        kinds: `numbers` or `uuids`.
        is_one: True if each question asks for one value.
        has_prefix: True if prompts end with the start of the answer.
    """
    texts = (BEFORE_ONE, ASK_ONE, PREFIX_ONE) if is_one else (BEFORE_ALL, ASK_ALL, PREFIX_ALL)
    before, ask, prefix = (text.replace("{kinds}", kinds).replace("{kind}", kinds[:-1]) for text in texts)
    return NeedleWording(kinds, before, ask, prefix if has_prefix else "")


def keys(n: int, rng: random.Random) -> list[str]:
    """Return `n` different keys, each an adjective and a noun joined by a hyphen.

    Raises:
        ProbeError: there are not so many.
    """
    all_keys = [f"{adjective}-{noun}" for adjective in _ADJECTIVES.split() for noun in _NOUNS.split()]
    if n > len(all_keys):
        raise ProbeError(f"{n:,} keys are needed, but only {len(all_keys):,} exist; lower probe_questions")
    return rng.sample(all_keys, n)


def values(n: int, kind: str, text: str, rng: random.Random) -> list[str]:
    """Return `n` different values that do not occur in `text`: numbers of seven digits, or UUIDs."""
    found: dict[str, None] = {}
    while len(found) < n:
        value = _value(kind, rng)
        if value not in text:
            found[value] = None
    return list(found)


def _value(kind: str, rng: random.Random) -> str:
    if kind == "uuids":
        return str(uuid.UUID(int=rng.getrandbits(128), version=4))
    return str(rng.randrange(10 ** (_DIGITS - 1), 10**_DIGITS))


def units(haystack: str, rng: random.Random) -> Iterator[str]:
    """Yield the sentences of a haystack, from a random document on and again from the start, without end.

    Args:
        haystack: `bundled`, `noise`, or the path of a file: text, or JSON with a field `text` as RULER's
            download_paulgraham_essay.py writes it.
        rng: draws the first document; a file is read from its start, as in RULER.

    Raises:
        ProbeError: the file cannot be read or has no text.
    """
    if haystack == REPEATED:
        return repeat(NOISE)
    if haystack == BUNDLED:
        documents = _bundled()
        start = rng.randrange(len(documents))
        return _sentences([*documents[start:], *documents[:start]])
    return _sentences([_text_of(Path(haystack).expanduser())])


def _sentences(documents: Sequence[str]) -> Iterator[str]:
    return cycle(chain.from_iterable(map(_split, documents)))


def _split(document: str) -> Iterator[str]:
    text = re.sub(r"\s+", " ", document)
    return (text[start:stop] for start, stop in sentence_spans(text))


def _bundled() -> list[str]:
    with gzip.open(BUNDLED_FILE, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def _text_of(file: Path) -> str:
    try:
        content = file.read_text(encoding="utf-8")
        text = json.loads(content)["text"] if file.suffix == ".json" else content
    except (OSError, ValueError, KeyError, TypeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        raise ProbeError(
            f"probe_haystack {file}: cannot be read ({reason}); give `{BUNDLED}`, `{REPEATED}`, a UTF-8 text file, "
            "or JSON with a field `text`"
        ) from None
    if not isinstance(text, str) or not text.strip():
        raise ProbeError(f"probe_haystack {file}: has no text; give another file, `{BUNDLED}` or `{REPEATED}`")
    return text
