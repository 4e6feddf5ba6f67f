"""What stock trainers make of an export that leaves something to them, compared with the dataset's own labels.

TRL's SFTTrainer (1.9.0) tokenises `prompt` by itself and with its `completion`, and puts loss on all that follows the
prompt. So a chat template that writes more than an answer and its end-of-turn token behind the prompt trains on more
than the dataset does. Cost: a few examples rendered, before the export begins.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.dataset.reader import IN2Dataset, turns_of
from in2_plugin.errors import TokenizerError
from in2_plugin.sharing.formats import Format

LOOKED_AT = 16
"""Examples whose prompt is tokenised the way TRL does it."""
Row = Mapping[str, Any]


def notes_for(dataset: IN2Dataset, form: Format, tokenizer: ModelTokenizer) -> Iterator[str]:
    """Sentences about an export that its user must know.

    Raises:
        TokenizerError: TRL would put the loss on other tokens than the answers.
    """
    if form is Format.MESSAGES:
        yield (
            "messages carry no loss mask: TRL trains on the answers alone only with `assistant_only_loss=True` and a "
            "chat template that marks them with `{% generation %}`"
        )
    if form is Format.PROMPT_COMPLETION:
        counts = dataset.manifest.counts
        if counts["turns"] > counts["examples"]:
            yield (
                f"one row a question: {counts['examples']:,} examples with {counts['turns']:,} questions repeat their "
                "context, and train on it as often"
            )
        if dataset.manifest.template == "chat":
            yield from _more_than_answers(dataset, tokenizer)


def trainer_adds_bos(tokenizer: ModelTokenizer) -> bool:
    """Whether a trainer's call of the tokenizer puts the beginning-of-sequence token before plain text.

    Raises:
        TokenizerError: it adds something else.
    """
    given = tokenizer.ids_with_special_tokens("a")
    if given == tokenizer.encode("a").ids:
        return False
    if tokenizer.bos and given == tokenizer.encode(f"{tokenizer.bos}a").ids:
        return True
    raise TokenizerError(
        f"{tokenizer.name}: puts other tokens around plain text than a beginning-of-sequence token, so that a trainer "
        "would see other ids; export with `--to tokenized`"
    )


def _more_than_answers(dataset: IN2Dataset, tokenizer: ModelTokenizer) -> Iterator[str]:
    found = {more for row in islice(dataset.rows(), LOOKED_AT) if any(more := _beside_answer(dataset, tokenizer, row))}
    if found:
        shown = ", ".join(sorted({repr(text) for more in found for text in more if text}))
        yield (
            f"TRL also trains on {shown}, which the chat template writes beside each answer; `--to tokenized` trains "
            "on answers alone"
        )


def _beside_answer(dataset: IN2Dataset, tokenizer: ModelTokenizer, row: Row) -> tuple[str, str]:
    """What TRL trains on before and behind the last answer of a row and its end-of-turn token."""
    turns = turns_of(row)
    prompt, whole = tokenizer.render_chat(dataset.messages(row)[:-1]), dataset.text(row)
    prompt_ids = tokenizer.encode(prompt).ids
    if not whole.startswith(prompt) or tokenizer.encode(whole).ids[: len(prompt_ids)] != prompt_ids:
        raise TokenizerError(
            f"{tokenizer.name}: renders a prompt otherwise than the same text before its answer, so that TRL would put "
            "the loss on other tokens than the answer; export with `--to tokenized`"
        )
    texts = dataset.renderer.template.frame(len(turns), len(row["segment_ids"]) > 0).turns[-1]
    before, _, behind = whole[len(prompt) :].partition(f"{texts.lead}{turns[-1][1]}{texts.end}")
    return before, behind
