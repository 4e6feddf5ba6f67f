"""Check written questions with rules that cost nothing and always run.

Each check returns a fixed sentence, so that reasons can be counted. The checks catch certain errors only; a question
that passes may still be bad. Languages with the same script are not distinguished: an English question about a French
text passes. Phrases are matched in the languages below and in no others.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise

from in2_plugin.config import LiteralChecks
from in2_plugin.questions.model.parsing import Pair

SHORT_WORD = 3
"""Words up to this length are no evidence of the source of an answer."""
OWN_SCRIPT = 0.1
"""Minimum fraction of letters for a script to count as the text's own, for example for code in Chinese prose."""

# nouns that refer to the passage alone, and nouns that do so only with a word like "provided"
_TEXT = r"(?:context|passage|excerpt|text|article|document|paragraph|snippet)s?"
_ANY = rf"(?:{_TEXT}|(?:piece|segment|material)s?)"
_GIVEN = r"(?:given|provided|supplied|above|following|preceding)"
_WHICH = rf"(?:{_GIVEN} |present |original |whole |entire |same |two |first |second )?"
# "in the context of", "the text messages", "in the article 5" refer to something in the passage
_NOT_NAMED = r"\b(?! (?:of|by|titled|entitled|called|message|box|field|file|editor|\d))"
_CHINESE_GIVEN = "(?:上述|以上|上面|所给|所提供|给定|提供|该|本|这段|这篇|此)"

_POINTS_AT_SOURCE = re.compile(
    "|".join(
        (
            rf"\b(?:according to|based on|per|as \w+ (?:in|by)) (?:the|this|these|both) {_WHICH}{_ANY}{_NOT_NAMED}",
            rf"\b(?:in|from|within|throughout|of|by|do|does|did) (?:the|this|these|both) {_WHICH}{_TEXT}{_NOT_NAMED}",
            rf"\b(?:in|from|within|of|by) (?:this|these|both) {_WHICH}{_ANY}{_NOT_NAMED}",
            rf"\b(?:the|this|these) {_GIVEN} (?:{_ANY}|information){_NOT_NAMED}",
            r"\b(?:the|this) information (?:provided|given|above)\b(?! (?:by|to))",
            r"\bpieces? (?:no\.? ?|number )?\d",
            # Chinese; 日本文化, 该文件 and 英文中 contain the same characters
            rf"(?:根[据據]|依[据據]|按照|基[于於]){_CHINESE_GIVEN}?的?(?:上下文|文本|文章|文[档檔]|材料|段落|片段|原文)"
            r"(?!的(?!内容|信息))",
            rf"(?:根[据據]|依[据據]|按照|基[于於]){_CHINESE_GIVEN}的?(?:内容|信息|內容|資訊)",
            r"(?<![日基标標])本文(?![化学學字明件物])|该文(?![化学字明件物])|(?<![网網以])上文(?![化学學字明件物])",
            r"(?:^|(?<=[，。、？！：；\s在从從据據由]))文中|(?:文章|段落)中",
            # Japanese, Korean
            r"(?:文章|テキスト|記事|文脈|資料)(?:の内容)?(?:によると|によれば|に基づ)",
            r"\b(?:본문|지문|텍스트|글|문맥|기사|제시문)(?:의 내용)?에 (?:따르면|의하면)",
            # German, French, Spanish, Portuguese, Italian, Dutch
            r"\b(?:laut|gemäß) (?:dem|diesem) (?:\w+en )?(?:text|kontext|abschnitt|artikel|dokument)\b(?! \d)"
            r"|\b(?:im|in diesem) (?:text|textabschnitt|artikel)\b(?! \d)",
            r"\b(?:selon|d'après|dans) (?:le |ce |cet |l')(?:texte|contexte|passage|document|article|extrait)\b"
            r"(?! (?:de|du|des|\d))",
            r"\b(?:según|en|de acuerdo con) (?:el|este) (?:texto|contexto|pasaje|documento|artículo|fragmento)\b"
            r"(?! (?:de|del|\d))",
            r"\b(?:segundo o|conforme o|de acordo com o|no|neste) (?:texto|contexto|trecho|documento|artigo)\b"
            r"(?! (?:de|do|da|\d))",
            r"\b(?:secondo il|secondo l'|nel|in questo) ?(?:testo|contesto|brano|documento|articolo)\b"
            r"(?! (?:di|del|della|\d))",
            r"\bvolgens (?:de|het|deze|dit) (?:tekst|context|passage|artikel|document)\b(?! (?:van|\d))",
            # Russian, Arabic, Hindi
            r"\bсогласно (?:этому |данному )?(?:тексту|контексту|отрывку|статье)\b(?! \d)"
            r"|\bв (?:данном|этом|приведённом|приведенном) (?:тексте|отрывке)|\bв этой статье",
            r"(?:وفقًا|وفقا|طبقًا|طبقا) (?:للنص|للسياق|للمقال|لهذا النص)|(?:حسب|بحسب) (?:النص|السياق|المقال)",
            r"(?:पाठ|संदर्भ|गद्यांश|लेख|अनुच्छेद) के अनुसार",
        )
    ),
    re.IGNORECASE,
)
_DECLINES = re.compile(
    r"^(?:i(?:'m| am) sorry\b|i (?:cannot|can't|am unable|do not have|don't have)\b)"
    r"|^(?:n/?a\.?$|unknown\.?$|unanswerable\b)"
    r"|\bas an ai (?:language )?(?:model|assistant)\b|^as an ai,"
    r"|\b(?:not|isn't|aren't|wasn't) (?:\w+ly )?(?:mentioned|stated|specified|given|provided|described|contained) "
    rf"(?:in|by) (?:the|this|these) {_WHICH}{_ANY}\b"
    rf"|\b(?:the|this|these) {_WHICH}{_ANY} (?:do not|does not|don't|doesn't) (?:\w+ly )?"
    r"(?:mention|state|specify|say|provide|contain|describe)\b"
    r"|\bcannot be (?:determined|answered|inferred)\b"
    r"|(?:文中|上下文|文本|材料)中?(?:没有|并未|未)(?:提到|提及|说明)|无法(?:回答|确定)",
    re.IGNORECASE,
)
_EDGES = ".,;:!?()[]{}'\"“”‘’«»„…—–-*`。？！ "
# scripts without spaces between words (Chinese, kana, Thai, Lao, Burmese, Khmer), or with endings on them (Korean)
_DENSE = "\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_PART = re.compile(rf"\d+|[{_DENSE}]+|[^\s\d{_DENSE}]+")
_IS_DENSE = re.compile(rf"[{_DENSE}]")
_THOUSANDS = re.compile(r"(?<=\d)[.,'\u2019\u00a0\u202f](?=\d{3}(?!\d))")


def objection(pair: Pair, texts: Sequence[str], bounds: LiteralChecks) -> str | None:
    """Return the first reason to reject a question, or None.

    Takes about 0.1 ms for a segment of 128 tokens; grows with the length of the texts.

    Args:
        texts: the gold segments.
    """
    if pair.flaw:
        return pair.flaw
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
    question = pair.question.replace("\u2019", "'")
    return "the question points at its source" if _POINTS_AT_SOURCE.search(question) else None


def _declines(pair: Pair, texts: Sequence[str], bounds: LiteralChecks) -> str | None:
    answer = pair.answer.replace("\u2019", "'")
    return "the answer says that there is none" if _DECLINES.search(answer) else None


def _repeats_question(pair: Pair, texts: Sequence[str], bounds: LiteralChecks) -> str | None:
    same = pair.answer.casefold().strip(_EDGES) == pair.question.casefold().strip(_EDGES)
    return "the answer repeats the question" if same else None


def _changes_script(pair: Pair, texts: Sequence[str], bounds: LiteralChecks) -> str | None:
    """Ignore words of the text, so that a name in Latin letters is allowed in any language."""
    if all(map(str.isascii, (pair.question, pair.answer, *texts))):
        return None  # all Latin
    letters = _scripts("".join(texts))
    own = {script for script, count in letters.items() if count >= OWN_SCRIPT * letters.total()}
    for name, written in (("question", pair.question), ("answer", pair.answer)):
        if not own or not _scripts(written).keys() - own:
            continue
        known = {word for text in texts for word in words(text)}
        found = main_script("".join(word for word in words(written) if word not in known))
        if found and found not in own:
            return f"the {name} is not in the script of the text"
    return None


def _is_foreign(pair: Pair, texts: Sequence[str], bounds: LiteralChecks) -> str | None:
    """Compare the words of the answer with those of the gold segments and the question."""
    telling = _traces(pair.answer)
    if len(texts) > 1:
        # a number may be computed from several segments: a count, a sum, a span of years
        telling = {trace for trace in telling if not trace.isdecimal()}
    known = set().union(*map(_traces, (*texts, pair.question)))
    if telling and len(telling & known) < bounds.min_overlap * len(telling):
        return "the answer's words do not occur in its segments"
    return None


CHECKS: tuple[Callable[[Pair, Sequence[str], LiteralChecks], str | None], ...] = (
    _length,
    _points_at_source,
    _declines,
    _repeats_question,
    _changes_script,
    _is_foreign,
)


def words(text: str) -> list[str]:
    """Return case-folded words and numbers without punctuation; single characters in scripts without spaces."""
    return [word for part in _parts(text) for word in (part if _IS_DENSE.match(part) else (part,))]


def _traces(text: str) -> set[str]:
    """Return what an answer shares with its source: stems of longer words, whole numbers, and pairs of characters in
    scripts without spaces."""
    found: set[str] = set()
    for part in set(_parts(text)):
        if part.isdecimal():
            found.add(part)
        elif not part.isascii() and _IS_DENSE.match(part):
            found.update(map("".join, pairwise(part)))
        elif len(part) > SHORT_WORD:
            found.add(_stem(part))
    return found


def _stem(word: str) -> str:
    """Return four or five letters, so that "boats" matches "boat" and "founder" matches "founded"."""
    return word[: min(max(len(word) - 1, 4), 5)]


def _parts(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", _THOUSANDS.sub("", text)).casefold()
    return _PART.findall(folded.translate(_SEPARATORS))


class _Separators(dict[int, str]):
    """A lazy table for `str.translate` that turns everything but letters, marks and numbers into spaces."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        self[code] = letter if unicodedata.category(letter)[0] in "LMN" else " "
        return self[code]


_SEPARATORS = _Separators()


def main_script(text: str) -> str | None:
    """Return the Unicode name of the most frequent script, or None without letters; Chinese and kana count as one."""
    scripts = _scripts(text)
    return scripts.most_common(1)[0][0] if scripts else None


def _scripts(text: str) -> Counter[str]:
    """Count letters by script."""
    found: Counter[str] = Counter()
    for letter, count in Counter(unicodedata.normalize("NFKC", text)).items():
        if letter.isalpha():
            found[_script(letter)] += count
    return found


@lru_cache(maxsize=65_536)
def _script(letter: str) -> str:
    name = unicodedata.name(letter, "OTHER").split(" ")[0].split("-")[0]
    return "CJK" if name in {"HIRAGANA", "KATAKANA", "BOPOMOFO", "IDEOGRAPHIC"} else name
