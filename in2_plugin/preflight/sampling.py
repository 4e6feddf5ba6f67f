"""Tokenize a sample of a dataset with Axolotl, with and without its length limit, and compare.

Axolotl's strategy for the `type:` tokenizes the rows without a limit. Rows that are too long are tokenized again under
`sequence_len`, and then go through Axolotl's own handling of long rows. Invariant: the counts are what Axolotl itself
does to these rows. Cost: Axolotl's time per row, 25 to 50 ms at 16K tokens.
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
    """A sample of rows before tokenization."""

    table: Any
    """A `datasets.Dataset`."""
    numbers: Counts
    """(n,) their numbers in the dataset, from 0."""
    total: int | None
    """Rows of the whole dataset; None if unknown."""
    seen: str


def summarize_sample(entry: Any, cfg: Any, tokenizer: Any, rows: int) -> DatasetSummary:
    """Summarize one entry of `datasets:` from a sample.

    Args:
        entry: the entry as validated by Axolotl.
        rows: size of the sample.

    Raises:
        DatasetError: Axolotl cannot read or tokenize it, with the original reason.
    """
    try:
        with _no_progress_bars():
            taken = take_rows(entry, cfg, rows)
            whole = tokenized(taken.table, entry, cfg, tokenizer, NO_LIMIT)
            limited = _limited(taken.table, whole, entry, cfg, tokenizer)
            return _compared(entry, cfg, taken, whole, limited)
    except (Exception, SystemExit) as error:  # errors of any loader or strategy, and exits of our own plugin
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
    """Return rows spread evenly over a dataset on disk, or the first rows of a streamed dataset."""
    from axolotl.utils.data.shared import load_dataset_with_config
    from datasets import Dataset, DatasetDict, IterableDatasetDict

    # `train[:500]` cannot be streamed
    loaded = load_dataset_with_config(entry, cfg.hf_use_auth_token, streaming="[" not in (entry.split or ""))
    if isinstance(loaded, (DatasetDict, IterableDatasetDict)):
        loaded = loaded[entry.split if entry.split in loaded else "train"]
    if isinstance(loaded, Dataset):
        numbers = np.unique(np.linspace(0, len(loaded) - 1, min(rows, len(loaded))).astype(int))
        return Rows(loaded.select(numbers), numbers, len(loaded), f"{len(numbers):,} of {len(loaded):,}, evenly spread")
    found = list(islice(loaded, rows))
    total = len(found) if len(found) < rows else _total(entry, loaded)
    seen = f"the first {len(found):,}" + (f" of {total:,}" if total is not None else "")
    return Rows(Dataset.from_list(found, features=loaded.features), np.arange(len(found)), total, seen)


def _total(entry: Any, streamed: Any) -> int | None:
    """Return the rows of a streamed dataset, from its card or by counting its local Parquet or JSON Lines files."""
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
    """Return the rows as tokenized by Axolotl's strategy for their `type:` under a length limit."""
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
    """Return the rows tokenized under `sequence_len`, before Axolotl handles rows that are too long."""
    from datasets import concatenate_datasets

    if len(whole) != len(table):  # the strategy split or dropped rows, so rows cannot be matched
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
    """Return the rows that are left after Axolotl drops or truncates; count `raise` as dropping."""
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
        # a strategy may split or drop rows
        longest_row=int(taken.numbers[before.argmax()]) if 0 < len(before) == len(taken.table) else None,
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
    """Return the supervised tokens of each row; the label of the first token is never predicted."""
    return np.array([int((np.asarray(labels[1:]) != IGNORED).sum()) for labels in rows["labels"]], np.int64)
