"""A corpus of invented words, a tokenizer of single bytes, and questions: nothing in it is of a third party."""

from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from in2_plugin.corpus.sources.documents import Document
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.store_writer import build_store
from in2_plugin.corpus.tokenizer import TextTokenizer
from in2_plugin.questions import Kind, Question

SYLLABLES = ("ba", "ke", "li", "mo", "nu", "ra", "so", "ti", "vu", "ze")


def byte_tokenizer() -> TextTokenizer:
    """A tokenizer with a token for each byte, and those that `template: film` needs."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({symbol: i for i, symbol in enumerate(alphabet)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in ("<s>", "</s>")])
    return TextTokenizer("bytes", backend, "<s>", "</s>")


def synthetic_documents(n: int) -> list[Document]:
    """Documents of four lines of one sentence."""
    rng = np.random.default_rng(7)

    def sentence() -> str:
        words = ("".join(rng.choice(SYLLABLES, size=int(rng.integers(2, 4)))) for _ in range(int(rng.integers(8, 20))))
        return " ".join(words).capitalize() + "."

    return [Document("synthetic", str(i), "\n".join(sentence() for _ in range(4))) for i in range(n)]


def synthetic_store(folder: Path, tokenizer: TextTokenizer, n: int = 60) -> SegmentStore:
    """The store of `n` documents, in segments of about a line."""
    rng = np.random.default_rng(0)
    return build_store(synthetic_documents(n), folder, tokenizer, segment_tokens=100, paper_exact=False, rng=rng)


def synthetic_questions(store: SegmentStore, n: int) -> list[Question]:
    """Questions about every second segment, which quote its first words and ask for its last ones."""
    questions = []
    for segment in range(0, 2 * n, 2):
        quoted, answer = " ".join(store.text(segment).split()[:3]), " ".join(store.text(segment).split()[-4:])
        document = int(store.document[segment])
        asked = f'How does the line end that starts with "{quoted}"?'
        questions.append(
            Question(
                Kind.FINE_GRAINED, "f", asked, answer, document, (segment,), (segment,), (quoted, answer), "synthetic"
            )
        )
    return questions
