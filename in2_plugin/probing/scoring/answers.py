"""Score one answer: the published metrics (microsoft/FILM, VaLProbing/plot.py), that of the matrix, and word recall.

Each function takes the gold texts of an item and the generated text and returns a number from 0 to 1. The document
score is graded and gives credit for function words; code and database scores are 0 or 1.
"""


def document_score(gold: tuple[str, ...], answer: str) -> float:
    """Return the recall of the gold sentence's distinct words, in lower case, split at white space."""
    wanted = set(gold[0].lower().split())
    return len(wanted & set(answer.lower().split())) / len(wanted)


def code_score(gold: tuple[str, ...], answer: str) -> float:
    """Return 1 if the answer contains the function's name; case matters, dots at the name's ends do not."""
    return float(gold[0].strip(".") in answer)


def database_score(gold: tuple[str, ...], answer: str) -> float:
    """Return 1 if the answer contains the label or the description; case and dots at their ends do not matter."""
    return float(any(text.strip(".").lower() in answer.lower() for text in gold))


def found_fields(gold: tuple[str, ...], answer: str) -> float:
    """Return the share of gold texts in the answer, ignoring case, white space and dots at their ends."""
    normalized = _normalize(answer)
    return sum(_normalize(text).strip(".") in normalized for text in gold) / len(gold)


def word_recall(gold: tuple[str, ...], answer: str) -> float:
    """Return the share of the gold texts' distinct words in the answer, without case and punctuation.

    In scripts without spaces every character is a word.
    """
    from in2_plugin.corpus.screening.ngrams import words_of  # the registry of probes imports this module without numpy

    *of_gold, of_answer = words_of([*gold, answer])
    wanted = {word for words in of_gold for word in words}
    return len(wanted.intersection(of_answer)) / len(wanted) if wanted else 0.0


def best_recall(gold: tuple[str, ...], answer: str) -> float:
    """Return the largest word recall of a gold text, where each is a whole answer."""
    return max(word_recall((text,), answer) for text in gold)


def all_contained(gold: tuple[str, ...], answer: str) -> float:
    """Return 1 if the answer contains every gold text as whole words, as `contains_answer` compares them."""
    from in2_plugin.questions.leaks import contains_answer  # as above

    return float(all(contains_answer(answer, text) for text in gold))


def _normalize(text: str) -> str:
    return " ".join(text.lower().split())
