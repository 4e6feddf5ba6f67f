"""Compare the labels that a trainer computes from an export with those of the dataset.

TRL's SFTTrainer (1.9.0) tokenizes `prompt` alone and together with `completion`, and computes the loss on every token
after the prompt. A chat template that adds text around an answer and its end-of-turn token therefore trains on more
than the dataset does. Cost: rendering a few examples before the export.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.dataset.reader import IN2Dataset, turns_of
from in2_plugin.errors import TokenizerError
from in2_plugin.sharing.formats import Format

SAMPLE = 16
"""Examples to tokenize like TRL."""
Row = Mapping[str, Any]


def notes_for(dataset: IN2Dataset, form: Format, tokenizer: ModelTokenizer) -> Iterator[str]:
    """Yield notes for the user of an export.

    Raises:
        TokenizerError: TRL would compute the loss on other tokens than the answers.
    """
    if form is Format.MESSAGES:
        yield (
            "messages carry no loss mask: TRL trains only on the answers with `assistant_only_loss=True` and a "
            "chat template that marks them with `{% generation %}`"
        )
    if form is Format.GRPO and dataset.manifest.counts.get("general"):
        yield (
            f"{dataset.manifest.counts['general']:,} conversations without a context are left out, because they have "
            "no gold"
        )
    if form is Format.PROMPT_COMPLETION:
        counts = dataset.manifest.counts
        if counts["turns"] > counts["examples"]:
            yield (
                f"one row per question: the contexts of {counts['examples']:,} examples are repeated for their "
                f"{counts['turns']:,} questions"
            )
        if dataset.manifest.template == "chat":
            yield from _more_than_answers(dataset, tokenizer)


def trainer_adds_bos(tokenizer: ModelTokenizer) -> bool:
    """Return True if a trainer's tokenizer call adds the beginning-of-sequence token to plain text.

    Raises:
        TokenizerError: the tokenizer adds other tokens.
    """
    given = tokenizer.ids_with_special_tokens("a")
    if given == tokenizer.encode("a").ids:
        return False
    if tokenizer.bos and given == tokenizer.encode(f"{tokenizer.bos}a").ids:
        return True
    raise TokenizerError(
        f"{tokenizer.name}: adds tokens other than a beginning-of-sequence token to plain text, so a trainer "
        "would see other ids; export with `--to tokenized`"
    )


def _more_than_answers(dataset: IN2Dataset, tokenizer: ModelTokenizer) -> Iterator[str]:
    found = {more for row in islice(dataset.rows(), SAMPLE) if any(more := _around_answer(dataset, tokenizer, row))}
    if found:
        shown = ", ".join(sorted({repr(text) for more in found for text in more if text}))
        yield (
            f"TRL also trains on {shown}, which the chat template adds to each answer; `--to tokenized` trains "
            "only on answers"
        )


def _around_answer(dataset: IN2Dataset, tokenizer: ModelTokenizer, row: Row) -> tuple[str, str]:
    """Return the texts before and after the last answer of a row, and its end of turn, that TRL trains on."""
    turns = turns_of(row)
    prompt, whole = tokenizer.render_chat(dataset.messages(row)[:-1]), dataset.text(row)
    prompt_ids = tokenizer.encode(prompt).ids
    if not whole.startswith(prompt) or tokenizer.encode(whole).ids[: len(prompt_ids)] != prompt_ids:
        raise TokenizerError(
            f"{tokenizer.name}: renders a prompt differently from the text before its answer, so TRL would compute "
            "the loss on other tokens than the answer; export with `--to tokenized`"
        )
    texts = dataset.renderer.template.frame(len(turns), len(row["segment_ids"]) > 0).turns[-1]
    before, _, after = whole[len(prompt) :].partition(f"{texts.lead}{turns[-1][1]}{texts.end}")
    return before, after
