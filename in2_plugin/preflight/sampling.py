"""A sample of a dataset through Axolotl's own tokenisation, with and without its limit of length.

Rows are tokenised by the strategy that Axolotl picks for their `type:` as if nothing were too long; those that are go
through it again under `sequence_len`, and then through Axolotl's own handling of long rows. Invariant: what is counted
is what Axolotl itself would do to these rows. Cost: what Axolotl takes for a row, 25 to 50 ms at 16K tokens.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from in2_plugin.errors import DatasetError, one_line
from in2_plugin.preflight.dataset_summary import Counts, DatasetSummary

NO_LIMIT = 1 << 24
IGNORED = -100
ROW = "in2_row"


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a dataset before tokenisation."""

    table: Any
    """A `datasets.Dataset`."""
    total: int | None
    """Rows of the whole dataset."""
    seen: str


def summarize_sample(entry: Any, cfg: Any, tokenizer: Any, rows: int) -> DatasetSummary:
    """What becomes of a sample of one entry of `datasets:`.

    Args:
        entry: as Axolotl validated it.
        rows: how many to look at.

    Raises:
        DatasetError: Axolotl cannot read or tokenise it; its own reason is repeated.
    """
    try:
        with _no_progress_bars():
            taken = take_rows(entry, cfg, rows)
            whole = tokenized(taken.table, entry, cfg, tokenizer, NO_LIMIT)
            limited = _limited(taken.table, whole, entry, cfg, tokenizer)
            return _compared(entry, cfg, taken, whole, limited)
    except (Exception, SystemExit) as error:  # loaders and strategies of any kind, and refusals of our own plugin
        reason = one_line(error).removeprefix("in2: ")
        raise DatasetError(
            f"{entry.path}: Axolotl cannot prepare it: {reason.rstrip('.')}; correct its entry"
        ) from error


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    were_off = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not were_off:
            enable_progress_bars()


def take_rows(entry: Any, cfg: Any, rows: int) -> Rows:
    """Rows spread over a dataset on disk, or the first ones where it has to be streamed."""
    from axolotl.utils.data.shared import load_dataset_with_config
    from datasets import Dataset, DatasetDict, IterableDatasetDict

    # `train[:500]` cannot be streamed
    loaded = load_dataset_with_config(entry, cfg.hf_use_auth_token, streaming="[" not in (entry.split or ""))
    if isinstance(loaded, (DatasetDict, IterableDatasetDict)):
        loaded = loaded[entry.split if entry.split in loaded else "train"]
    if isinstance(loaded, Dataset):
        numbers = np.unique(np.linspace(0, len(loaded) - 1, min(rows, len(loaded))).astype(int))
        return Rows(loaded.select(numbers), len(loaded), f"{len(numbers):,} of {len(loaded):,}, evenly spread")
    found = list(islice(loaded, rows))
    total = len(found) if len(found) < rows else _total(entry, loaded)
    seen = f"the first {len(found):,}" + (f" of {total:,}" if total is not None else "")
    return Rows(Dataset.from_list(found, features=loaded.features), total, seen)


def _total(entry: Any, streamed: Any) -> int | None:
    """Rows of a dataset that is streamed: what its card says, or its local Parquet or JSON Lines files hold."""
    splits = streamed.info.splits or {}
    known = splits.get(entry.split or "train")
    if known is not None and known.num_examples:
        return int(known.num_examples)
    path = Path(entry.path)
    if entry.data_files or entry.split or not path.exists():
        return None
    files = [path] if path.is_file() else sorted(path.rglob("*.parquet")) or sorted(path.rglob("*.jsonl"))
    counted = [_rows_of(file) for file in files]
    return sum(n for n in counted if n is not None) if counted and None not in counted else None


def _rows_of(path: Path) -> int | None:
    if path.suffix == ".parquet":
        return int(pq.read_metadata(path).num_rows)
    if path.suffix != ".jsonl":
        return None
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())


def tokenized(table: Any, entry: Any, cfg: Any, tokenizer: Any, sequence_len: int) -> Any:
    """The rows as Axolotl's strategy for their `type:` makes them under a limit of length."""
    from axolotl.utils.data.wrappers import get_dataset_wrapper
    from axolotl.utils.dict import DictDefault

    # one process and no cache: a pool of processes costs more than the sample
    settings = {"sequence_len": sequence_len, "dataset_num_proc": None, "dataset_keep_in_memory": True}
    kind, _, style = entry.type.partition(":") if isinstance(entry.type, str) else (None, "", None)
    wrapped, _ = get_dataset_wrapper(
        dataset_config=entry,
        tokenizer=tokenizer,
        cfg=DictDefault({**cfg, **settings}),
        dataset_base_type=kind,
        dataset=table,
        dataset_prompt_style=style or None,
    )
    return wrapped


def _limited(table: Any, whole: Any, entry: Any, cfg: Any, tokenizer: Any) -> Any:
    """The rows under `sequence_len`, each with its number, before Axolotl handles those that are too long."""
    from datasets import concatenate_datasets

    if len(whole) != len(table):  # rows were split or left out by the strategy, so that none can be matched
        return tokenized(table, entry, cfg, tokenizer, cfg.sequence_len)
    lengths = _lengths(whole)
    over = np.flatnonzero(lengths > cfg.sequence_len)
    if not len(over):
        return whole
    again = tokenized(table.select(over), entry, cfg, tokenizer, cfg.sequence_len)
    if len(again) != len(over):
        return tokenized(table, entry, cfg, tokenizer, cfg.sequence_len)
    order = np.argsort(np.concatenate([np.flatnonzero(lengths <= cfg.sequence_len), over]))
    return concatenate_datasets([whole.select(np.flatnonzero(lengths <= cfg.sequence_len)), again]).select(order)


def handled(limited: Any, cfg: Any) -> Any:
    """What is left when Axolotl has dropped or cut rows; a trainer that would stop at them is taken to drop them."""
    from axolotl.utils.data.utils import handle_long_seq_in_dataset
    from axolotl.utils.dict import DictDefault

    strategy = "truncate" if cfg.excess_length_strategy == "truncate" else "drop"
    settings = DictDefault({**cfg, "excess_length_strategy": strategy, "dataset_num_proc": None})
    return handle_long_seq_in_dataset(limited, cfg.sequence_len, settings)


def _compared(entry: Any, cfg: Any, taken: Rows, whole: Any, limited: Any) -> DatasetSummary:
    numbered = limited.add_column(ROW, np.arange(len(limited)))
    kept = handled(numbered, cfg)
    before, answers_before = _lengths(whole), _answers(whole)
    after, answers_after = _lengths(kept), _answers(kept)
    cut = losing = 0
    if len(limited) == len(whole):
        places = np.array(kept[ROW], np.int64)
        cut = int((after < before[places]).sum())
        losing = int((answers_after < answers_before[places]).sum())
    dropped = len(limited) - len(kept)
    stops = cfg.excess_length_strategy == "raise"
    too_long = int((_lengths(limited) > cfg.sequence_len).sum())
    return DatasetSummary(
        path=str(entry.path),
        type=str(entry.type),
        examples=taken.total,
        looked_at=len(taken.table),
        seen=taken.seen,
        lengths=after,
        answers=answers_after,
        longest=int(before.max(initial=0)),
        dropped=dropped - too_long if stops else dropped,
        refused=too_long if stops else 0,
        cut=cut,
        losing=losing,
        lost_answer_tokens=int(answers_before.sum() - answers_after.sum()),
        unlabelled=int((answers_after == 0).sum()),
        masks_prompt=not len(kept) or bool(answers_after.sum() < (after - 1).sum()),
    )


def _lengths(rows: Any) -> Counts:
    return np.array([len(ids) for ids in rows["input_ids"]], np.int64)


def _answers(rows: Any) -> Counts:
    """Supervised tokens of each row; the label of its first token is never predicted."""
    return np.array([int((np.asarray(labels[1:]) != IGNORED).sum()) for labels in rows["labels"]], np.int64)
