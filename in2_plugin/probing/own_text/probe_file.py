"""Write a commented probe file for a model and documents, which builds as it is (`in2 probe init`).

Lengths come from the model's window, as far as the documents fill them without the one of a question, and the numbers
of questions from the amount of text. Cost: reads and tokenizes at most MOST_CHARACTERS of the documents.
"""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from in2_plugin.config import Source
from in2_plugin.config.probe import FINE_GRAINED, INTEGRATION, ProbeConfig
from in2_plugin.corpus.sources.documents import read_documents
from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.errors import ConfigError, CorpusError
from in2_plugin.io.atomic import write_text_atomic

MOST_CHARACTERS, MOST_OF_DOCUMENT = 4_000_000, 500_000
"""Characters that are read, of all documents and of each."""
MOST_DOCUMENTS = 100_000
LONGEST, SHORTEST = 65_536, 1_024
"""Lengths that are proposed, in tokens."""
FILLED_BY = 4
"""Times that the documents must fill the longest context, so that most texts are not in every context."""
SPARE = 512
"""Tokens of the other documents that a context does not use, because whole segments have to fit."""
TOKENS_PER_QUESTION = 250
"""Text per question that a writer is sure to find enough of."""
WINDOW_KEYS = ("max_position_embeddings", "n_positions", "n_ctx")


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """What a new probe file sets."""

    window: int | None
    """The model's window in tokens, if its configuration is on this machine."""
    tokens: int
    """Tokens of the documents that were read."""
    is_cut: bool
    """True if there is more text than was read."""
    lengths: tuple[int, ...]
    fine_grained: int
    integration: int


def write_probe_file(path: Path, corpus: Sequence[str], model: str, output: Path, questions: Path | None) -> ProbePlan:
    """Write a probe file and return what it sets.

    Raises:
        ConfigError: the file exists, or its folder does not or is read-only.
        CorpusError, TokenizerError: the documents or the tokenizer cannot be read, or there is too little text.
    """
    if path.exists():
        raise ConfigError(f"{path}: exists already; give another name with --file, or delete it")
    if not path.parent.is_dir():
        raise ConfigError(f"{path.parent}: no such folder; create it, or give another name with --file")
    if not os.access(path.parent, os.W_OK):
        raise ConfigError(f"{path.parent}: is read-only; give another name with --file")
    plan = plan_probe(corpus, model)
    text = _text(plan, corpus, model, output, questions)
    write_text_atomic(path, text)
    return plan


def plan_probe(corpus: Sequence[str], model: str) -> ProbePlan:
    """Choose lengths and numbers of questions for a model and documents.

    Raises:
        ConfigError: the window is smaller than SHORTEST.
        CorpusError, TokenizerError: see `write_probe_file`.
    """
    documents, is_cut = _documents(corpus, model)
    tokens = sum(documents.values())
    if tokens < FILLED_BY * SHORTEST:
        raise CorpusError(
            f"{', '.join(corpus)}: has {tokens:,} tokens, and a probe needs {FILLED_BY * SHORTEST:,} or more; add "
            "documents"
        )
    largest = max(documents, key=lambda name: documents[name])
    beside = tokens - documents[largest] - SPARE
    if beside < SHORTEST:
        raise CorpusError(
            f"{largest}: has {documents[largest]:,} of the {tokens:,} tokens of the documents, and the others do not "
            f"fill a context of {SHORTEST:,} beside a question about it; add documents, or divide it into several"
        )
    window = model_window(model)
    if window is not None and window < SHORTEST:
        raise ConfigError(f"{model}: has a window of {window:,} tokens, and a probe needs {SHORTEST:,} or more")
    longest = min(window or LONGEST, LONGEST, tokens // FILLED_BY, beside)
    longest = longest // 256 * 256
    # a quarter, a half and all of the window: the effect is strongest below half of it
    lengths = sorted({max(SHORTEST, longest // share // 256 * 256) for share in (4, 2, 1)})
    most = max(10, tokens // TOKENS_PER_QUESTION)
    integration = min(INTEGRATION, most // 4, _integration_passages(documents.values(), lengths[0])) // 5 * 5
    return ProbePlan(window, tokens, is_cut, tuple(lengths), min(FINE_GRAINED, most // 2), integration)


def _integration_passages(tokens: Iterable[int], shortest: int) -> int:
    """Return how many passages of several segments documents with these tokens are sure to have."""
    config = ProbeConfig(output=Path(), tokenizer="", lengths=(shortest,))
    longest = config.as_build("chat").lengths.max
    # a document of less than three minimum lengths may be one segment
    return sum(max(1, n // longest) for n in tokens if n >= 3 * config.segment_tokens)


def model_window(model: str) -> int | None:
    """Return the window that the model's config.json states; None if it is not on this machine or has none."""
    path = Path(model) / "config.json"
    if not path.exists():
        path = _cached(model)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    config = {**config, **(config.get("text_config") or {})}
    return next((int(config[key]) for key in WINDOW_KEYS if config.get(key)), None)


def _cached(model: str) -> Path:
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(model, "config.json")
    except ValueError:  # the path of a folder
        found = None
    return Path(found) if isinstance(found, str) else Path(os.devnull)


def _documents(corpus: Sequence[str], model: str) -> tuple[dict[str, int], bool]:
    """Return the tokens of each document by its name, and True if there is more text than that."""
    tokenizer = load_tokenizer(model)
    texts: dict[str, str] = {}
    left, is_cut = MOST_CHARACTERS, False
    for document in read_documents([Source(path=path) for path in corpus]):
        if left <= 0 or len(texts) == MOST_DOCUMENTS:
            is_cut = True
            break
        text = document.text[: min(left, MOST_OF_DOCUMENT)]
        is_cut |= len(text) < len(document.text)
        texts[document.key] = text
        left -= len(text)
    return dict(zip(texts, tokenizer.count(list(texts.values())), strict=True)), is_cut


def _text(plan: ProbePlan, corpus: Sequence[str], model: str, output: Path, questions: Path | None) -> str:
    window = f"the model's window is {plan.window:,} tokens" if plan.window else "the model's window is unknown here"
    read = "at least " if plan.is_cut else ""
    if questions:
        asked = f"""\
questions:
  file: {json.dumps(str(questions), ensure_ascii=False)}   # rows with question, answer (or a list answers), evidence
"""
    else:
        asked = f"""\
questions:
  writer: extractive   # from the text itself, at no cost; better questions: `writer: endpoint` with the section below
  # endpoint: {{model: MODEL, base_url: "http://localhost:8000/v1"}}
  # max_cost: 10       # with endpoint.prices: the most that the questions may cost
  # file: questions.jsonl   # or your own questions, instead of a writer, fine_grained and integration

fine_grained: {plan.fine_grained}        # questions with one gold: the curve by depth
integration: {plan.integration}         # questions with two golds: the map of two depths; a multiple of `depths`
"""
    return f"""\
# A probe from your own documents. Build it with: in2 probe build FILE
output: {json.dumps(str(output), ensure_ascii=False)}
tokenizer: {json.dumps(model, ensure_ascii=False)}   # its tokenizer measures the lengths
seed: {ProbeConfig.model_fields["seed"].default}

corpus:
  sources: {json.dumps(list(corpus), ensure_ascii=False)}   # {read}{plan.tokens:,} tokens
# documents: 200        # take only so many, drawn by a hash, so that a training set can have the others

{asked}
lengths: {list(plan.lengths)}   # tokens, the answer included; {window}
depths: 5               # each question is asked with its gold in each fifth of the context
questions_per_context: 10   # most questions that share a context
"""
