"""Checks of a written question that cost nothing and always run.

Each gives a fixed sentence, so that reasons can be counted. They are made to catch what is surely wrong; what they
pass may still be a bad question. Languages of one script are not told apart: an English question about a French text
passes here.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from in2_plugin.config import LiteralChecks
from in2_plugin.questions.parsing import Pair
from in2_plugin.questions.quoting import UNIT

STEM = 5
"""Letters of a word that are compared, so that "founded" answers for "founder"."""
SHORT_WORD = 3
"""Words up to this length say little about where an answer comes from."""

_SOURCE = r"(?:context|passage|excerpt|text|article|document|pieces?|segments?|material|paragraph|snippet)s?"
_POINTS_AT_SOURCE = re.compile(
    rf"\b(?:according to|based on|in|from|within|per|as (?:stated|described|mentioned|given) in) "
    rf"(?:the|this|these|both) (?:\w+ )?{_SOURCE}\b"
    rf"|\b(?:the|this|these) (?:given|provided|above|following|preceding) {_SOURCE}\b"
    rf"|\bpieces? \d|\bsegments? \d"
    rf"|\b(?:does|do) (?:the|this|these) {_SOURCE} (?:say|state|mention|describe)"
    r"|(?:根据|依据|按照|基于)(?:上述|以上|上面|所给|给定|该|本|这段|此)?(?:的)?(?:上下文|文本|文章|文档|材料|段落|内容|片段|原文)"
    r"|(?:上文|本文|文中|该文|原文|文章中|段落中|文本中|材料中)"
    r"|\b(?:laut|gemäß) (?:dem|diesem) (?:text|kontext|abschnitt|artikel)\b"
    r"|\b(?:selon|d'après) (?:le|ce) (?:texte|contexte|passage|document)\b|\bd'après (?:l'|cet )article\b"
    r"|\bsegún (?:el|este) (?:texto|contexto|pasaje|documento|artículo)\b"
    r"|согласно (?:тексту|контексту|статье|отрывку)|в (?:данном|этом) (?:тексте|отрывке)",
    re.IGNORECASE,
)
_DECLINES = re.compile(
    r"^(?:i(?:'m| am) sorry|i (?:cannot|can't|am unable)|as an ai\b|n/?a\.?$|unknown\.?$|unanswerable)"
    r"|\b(?:not|isn't|aren't) (?:mentioned|stated|specified|given|provided|described|contained) "
    rf"in (?:the|this) {_SOURCE}\b"
    r"|\bcannot be (?:determined|answered|inferred)\b"
    r"|(?:文中|上下文|文本|材料)(?:中)?(?:没有|未)(?:提到|提及|说明)|无法(?:回答|确定)",
    re.IGNORECASE,
)
_EDGES = ".,;:!?()[]{}'\"“”‘’«»„…—–-*`"


def objection(pair: Pair, texts: Sequence[str], bounds: LiteralChecks) -> str | None:
    """The first reason to turn a question down, or None.

    Args:
        texts: the gold segments.
    """
    for check in CHECKS:
        if reason := check(pair, texts, bounds):
            return reason
    return None


def _length(pair: Pair, texts: Sequence[str], bounds: LiteralChecks) -> str | None:
    for name, text, (least, most) in (
        ("question", pair.question, bounds.question_chars),
        ("answer", pair.answer, bounds.answer_chars),
    ):
        if not least <= len(text) <= most:
            return f"the {name} is too {'short' if len(text) < least else 'long'}"
    return None


def _points_at_source(pair: Pair, texts: Sequence[str], bounds: LiteralChecks) -> str | None:
    return "the question points at its source" if _POINTS_AT_SOURCE.search(pair.question) else None


def _declines(pair: Pair, texts: Sequence[str], bounds: LiteralChecks) -> str | None:
    return "the answer says that there is none" if _DECLINES.search(pair.answer) else None


def _repeats_question(pair: Pair, texts: Sequence[str], bounds: LiteralChecks) -> str | None:
    same = pair.answer.casefold().strip(_EDGES + " ") == pair.question.casefold().strip(_EDGES + " ")
    return "the answer repeats the question" if same else None


def _is_foreign(pair: Pair, texts: Sequence[str], bounds: LiteralChecks) -> str | None:
    """Words of the answer that occur nowhere it could have them from."""
    asked = {_stem(word) for word in words(pair.answer)}
    known = {_stem(word) for text in (*texts, pair.question) for word in words(text)}
    telling = {word for word in asked if len(word) > SHORT_WORD or not word.isalpha() or not word.isascii()}
    if telling and len(telling & known) < bounds.min_overlap * len(telling):
        return "the answer's words do not occur in its segments"
    return None


def _changes_script(pair: Pair, texts: Sequence[str], bounds: LiteralChecks) -> str | None:
    script = main_script(" ".join(texts))
    for name, text in (("question", pair.question), ("answer", pair.answer)):
        found = main_script(text)
        # a name in Latin letters is a fair answer in any language
        if script and found and found != script and not (name == "answer" and found == "LATIN"):
            return f"the {name} is not in the script of the text"
    return None


CHECKS: tuple[Callable[[Pair, Sequence[str], LiteralChecks], str | None], ...] = (
    _length,
    _points_at_source,
    _declines,
    _repeats_question,
    _is_foreign,
    _changes_script,
)


def words(text: str) -> list[str]:
    """Words without the signs around them, case folded; single characters where a script has no spaces."""
    return [word for unit in UNIT.findall(text.casefold()) if (word := unit.strip(_EDGES))]


def _stem(word: str) -> str:
    return word[:STEM] if word.isalpha() else word


def main_script(text: str) -> str | None:
    """The script of most letters, as Unicode names it; Chinese characters and kana are one. None without letters."""
    scripts = Counter(_script(letter) for letter in text if letter.isalpha())
    return scripts.most_common(1)[0][0] if scripts else None


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "OTHER").split(" ")[0].split("-")[0]
    return "CJK" if name in {"HIRAGANA", "KATAKANA", "BOPOMOFO"} else name
