"""Run the instruction stage: sample the general conversations uniformly, in the order in which they are used."""

from in2_plugin import layout
from in2_plugin.corpus.sources.instructions import Sampled, Turns, sample
from in2_plugin.dataset.tables import CONVERSATIONS, RowWriter, StoredConversations
from in2_plugin.errors import NotEnoughInstructions, TokenizerError
from in2_plugin.examples.rendering import Renderer
from in2_plugin.pipeline.run import Run, stage_rng

MOST_TURNS = 32
"""Maximum turns of a conversation; longer ones are skipped and counted."""


def instruction_stage(run: Run, renderer: Renderer) -> StoredConversations:
    """Sample the conversations of the general part, unless instructions.parquet exists.

    Raises:
        CorpusError: a source cannot be read, or too many of its rows are bad.
        NotEnoughInstructions: there are too few conversations, and `mixture.shortfall` is `error`.
        ArrayJobDone: this run is a job of an array, and the stage is not finished.
    """
    config, progress = run.config, run.progress
    path = run.folder / layout.INSTRUCTIONS
    if path.exists():
        return StoredConversations(path)
    run.array_job.end_job("instructions")
    wanted = config.mixture.counts()["general"]
    sampled = Sampled(0)
    with RowWriter(path, CONVERSATIONS) as rows, progress.stage("sampling general instructions", None) as step:
        sources = config.instructions.sources if wanted else ()
        rng = stage_rng(config.seed, "instructions")
        for found in sample(sources, wanted, _ConversationCheck(renderer, config.lengths.max).objection, rng, step):
            if isinstance(found, Sampled):
                sampled = found
            else:
                source, turns = found
                rows.add({"source": source, "turns": [{"question": q, "answer": a} for q, a in turns]})
        if rows.count < wanted and config.mixture.shortfall == "error":
            raise NotEnoughInstructions(_missing(wanted, rows.count, sampled))
    for line in sampled.bad:
        progress.say(line)
    if wanted:
        progress.say(
            f"{rows.count:,} of {sampled.rows:,} conversations for the general part; "
            f"{sampled.left_out.total():,} skipped{_commonest(sampled)}"
        )
    return StoredConversations(path)


class _ConversationCheck:
    """Checks which conversations can be used."""

    def __init__(self, renderer: Renderer, longest: int) -> None:
        self._renderer, self._longest = renderer, longest

    def objection(self, turns: Turns) -> str | None:
        """Return the reason why a conversation cannot be used, or None."""
        texts = [text for turn in turns for text in turn]
        if len(turns) > MOST_TURNS:
            return f"it has more than {MOST_TURNS} turns"
        if self._renderer.template.spells_special_token(*texts):
            return "it spells a special token of the tokenizer"
        if not self._renderer.can_spell(*texts):
            return "the tokenizer has no token for some of its characters"
        try:
            self._renderer.template.frame(len(turns), False)
        except TokenizerError:
            return f"the chat template cannot render {len(turns)} turns with one end for each"
        # a token is at least one byte long, so most conversations need not be tokenized
        if len(self._renderer.text((), turns).encode("utf-8", "replace")) <= self._longest:
            return None
        is_long = len(self._renderer.render((), turns).input_ids) > self._longest
        return "it is longer than lengths.max" if is_long else None


def _missing(wanted: int, kept: int, sampled: Sampled) -> str:
    return (
        f"mixture.general asks for {wanted:,} conversations, but `instructions.sources` gave {kept:,} from "
        f"{sampled.rows:,} rows, {wanted - kept:,} too few{_commonest(sampled)}; name more sources, lower "
        "mixture.general, or set `mixture.shortfall: rescale`"
    )


def _commonest(sampled: Sampled) -> str:
    if not sampled.left_out:
        return ""
    ((reason, n),) = sampled.left_out.most_common(1)
    return f" (most often because {reason}: {n:,} times, first in {sampled.first[reason]})"
