"""Scores of one answer: the published ones (microsoft/FILM, VaLProbing/plot.py), and the one of the matrix.

Each takes the gold texts of a piece and the generated text and gives a number in [0, 1]. The document score is
graded and gives free credit for function words; code and database scores are 0 or 1.
"""


def document_score(gold: tuple[str, ...], answer: str) -> float:
    """Share of the distinct words of the gold sentence that the answer has, in lower case, split at white space."""
    wanted = set(gold[0].lower().split())
    return len(wanted & set(answer.lower().split())) / len(wanted)


def code_score(gold: tuple[str, ...], answer: str) -> float:
    """1 if the function's name is in the answer; case counts, dots at the name's ends do not."""
    return float(gold[0].strip(".") in answer)


def database_score(gold: tuple[str, ...], answer: str) -> float:
    """1 if the label or the description is in the answer; neither case nor dots at their ends count."""
    return float(any(text.strip(".").lower() in answer.lower() for text in gold))


def found_fields(gold: tuple[str, ...], answer: str) -> float:
    """Share of the gold texts that the answer has word for word, but for case, white space and dots at their ends."""
    said = _plain(answer)
    return sum(_plain(text).strip(".") in said for text in gold) / len(gold)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
