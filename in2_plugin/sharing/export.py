"""`in2 export`: write a dataset in a format of trainers that do not use this package.

    OUT/
      data/train-00000-of-00003.parquet   the rows, see formats.py
      README.md                           card with `configs:`, for `datasets.load_dataset(OUT)`
      export.json                         source of the data, and the digest of every file

Invariant: OUT is either complete or absent. The export is written to OUT.part and renamed when all its files are
durable; until then, an earlier export at OUT remains. Memory is bounded by one row group of the dataset per worker and
one of the export. Exports of the same dataset have the same bytes for any number of workers.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import in2_plugin
from in2_plugin import layout
from in2_plugin.corpus.tokenizer import ModelTokenizer, load_tokenizer
from in2_plugin.dataset.prompts import QuestionPrompts
from in2_plugin.dataset.reader import IN2Dataset, Manifest, read_manifest
from in2_plugin.errors import ConfigError, TokenizerError
from in2_plugin.execution.engine import Engine
from in2_plugin.execution.local import LocalEngine
from in2_plugin.io.atomic import commit_part, write_json_atomic, write_text_atomic
from in2_plugin.io.lock import folder_lock
from in2_plugin.sharing.card import answer_writers
from in2_plugin.sharing.export_card import export_card
from in2_plugin.sharing.formats import Conversion, Format
from in2_plugin.sharing.shards import ExportShard, ShardWriter
from in2_plugin.sharing.slices import SliceConverter, slices_of
from in2_plugin.sharing.supervision import notes_for, trainer_adds_bos

EXPORT_FORMAT = 1
RECORD = "export.json"
DATA = "data"
_FILES = {RECORD, layout.CARD, DATA, layout.LOCK}
SHARD_BYTES = 500_000_000


@dataclass(frozen=True, slots=True)
class Export:
    """A finished export."""

    folder: Path
    rows: int
    shards: tuple[ExportShard, ...]
    notes: tuple[str, ...]
    """Notes for the user, also in README.md."""


def export_dataset(
    folder: Path,
    form: Format,
    output: Path | None = None,
    *,
    tokenizer: str | None = None,
    number_segments: bool = False,
    max_prompt_tokens: int | None = None,
    shard_bytes: int = SHARD_BYTES,
    workers: int = 1,
    engine: Engine | None = None,
    overwrite: bool = False,
    on_examples: Callable[[int], None] = lambda n: None,
) -> Export:
    """Write a dataset in another format to `output`, by default a sibling folder with the format in its name.

    `tokenizer` replaces the name in the manifest, for a model folder that was moved. `number_segments` and
    `max_prompt_tokens` are for `grpo`: see `in2_plugin.training.prompts.load_prompts`. `engine` converts the rows, by
    default in `workers` processes on this machine; with more than one, a script must call this function under
    `if __name__ == "__main__":`.

    Raises:
        ConfigError: `output` contains something other than an export, an export that `overwrite` does not replace, or
            cannot be written; the format does not support the template of the dataset; an option is for another
            format; or no prompt is short enough.
        DatasetError: the dataset is missing, incomplete or damaged.
        TokenizerError: the tokenizer cannot be loaded, is a different one, or splits the text of an example
            differently in parts.
        FolderLocked: another process writes the same export.
    """
    manifest = read_manifest(folder)
    if form is Format.MESSAGES and manifest.template == "film":
        raise ConfigError(
            f"{folder}: was built with `template: film`, but a trainer would apply its own chat template to "
            "messages; export with `--to prompt-completion`, `tokenized` or `axolotl`"
        )
    output = (output or Path(f"{folder.resolve()}-{form}")).resolve()
    if output == folder.resolve():
        raise ConfigError(f"{output}: is the dataset itself; choose another folder with `-o`")
    _require_export_or_nothing(output)
    if is_export(output) and not overwrite:
        raise ConfigError(f"{output}: has an export already; add `--overwrite`, or choose another folder with `-o`")
    if form is not Format.GRPO and (number_segments or max_prompt_tokens is not None):
        raise ConfigError("`--number-segments` and `--max-prompt-tokens` need `--to grpo`; add it or remove them")
    conversion, notes = _conversion(folder, manifest, form, tokenizer, number_segments, max_prompt_tokens)
    part = output.with_name(f"{output.name}.part")
    _require_export_or_nothing(part)
    try:
        part.mkdir(parents=True, exist_ok=True)
        with folder_lock(part):
            _empty(part)
            shards = _write(conversion, part / DATA, shard_bytes, engine or LocalEngine(workers), on_examples)
            rows = sum(shard.rows for shard in shards)
            notes = (*answer_writers(folder), *notes, *_left_out(conversion, rows))
            export = Export(output, rows, tuple(shards), notes)
            _describe(part, manifest, form, export)
            _put_in_place(part, output)
    except OSError as failure:
        raise ConfigError(
            f"{output}: cannot be written ({failure.strerror}); free disk space or choose another folder with `-o`, "
            "then run again"
        ) from failure
    return export


def _conversion(
    folder: Path, manifest: Manifest, form: Format, name: str | None, number_segments: bool, most: int | None
) -> tuple[Conversion, tuple[str, ...]]:
    tokenizer = _tokenizer(folder, manifest, name)
    if form is Format.GRPO:
        prompts = QuestionPrompts.open(folder, tokenizer, number_segments=number_segments)
        conversion = Conversion(prompts.dataset, form, tokenizer, prompts=prompts, max_prompt_tokens=most)
    else:
        dataset = IN2Dataset(folder, tokenizer)
        dataset.require_stored_ids()
        is_plain = form is Format.PROMPT_COMPLETION and manifest.template == "film"
        conversion = Conversion(dataset, form, tokenizer, is_plain and trainer_adds_bos(tokenizer))
    return conversion, tuple(notes_for(conversion.dataset, form, tokenizer))


def _left_out(conversion: Conversion, rows: int) -> Iterator[str]:
    """Yield a note on the prompts that are too long, and raise if all are."""
    if conversion.prompts is None:
        return
    questions = int(conversion.prompts.counts.sum())
    if not questions:
        raise ConfigError(f"{conversion.dataset.folder}: has no question about a context; use another dataset")
    if not rows:
        raise ConfigError(
            f"{conversion.dataset.folder}: none of its {questions:,} prompts has at most "
            f"{conversion.max_prompt_tokens} tokens; raise `--max-prompt-tokens` or use another dataset"
        )
    if questions > rows:
        yield f"{questions - rows:,} prompts longer than {conversion.max_prompt_tokens:,} tokens are left out"


def _tokenizer(folder: Path, manifest: Manifest, name: str | None) -> ModelTokenizer:
    try:
        return load_tokenizer(name or manifest.tokenizer)
    except TokenizerError as failure:
        if name is not None:
            raise
        raise TokenizerError(
            f"{folder}: was built with the tokenizer `{manifest.tokenizer}`, which is not found; "
            f"pass its path with `--tokenizer` ({failure})"
        ) from None


def _write(
    conversion: Conversion, data: Path, shard_bytes: int, engine: Engine, on_examples: Callable[[int], None]
) -> list[ExportShard]:
    data.mkdir()
    converter = SliceConverter(conversion)
    slices = slices_of(converter.examples)
    writer = ShardWriter(data, conversion.schema, shard_bytes)
    try:
        for rows, batch in zip(slices, engine.stream(converter, slices, converter.needs), strict=True):
            writer.add(batch)
            on_examples(rows.stop - rows.start)
        return writer.finish()
    finally:
        writer.abandon()


def _describe(part: Path, manifest: Manifest, form: Format, export: Export) -> None:
    """Write the card, then the record."""
    write_text_atomic(part / layout.CARD, export_card(manifest, form, export.rows, export.shards, export.notes))
    copied = ("tokenizer", "tokenizer_fingerprint", "template", "template_fingerprint", "examples", "longest")
    record = {
        "format": EXPORT_FORMAT,
        "version": in2_plugin.__version__,
        "to": form,
        "rows": export.rows,
        "files": [asdict(shard) for shard in export.shards],
    }
    write_json_atomic(part / RECORD, record | {name: getattr(manifest, name) for name in copied})


def is_export(folder: Path) -> bool:
    """Return True if a folder is a complete export."""
    return (folder / RECORD).is_file()


def _require_export_or_nothing(folder: Path) -> None:
    """Raise if a folder contains files that `in2 export` did not write."""
    if not folder.exists():
        return
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
    if others := sorted(names - _FILES):
        raise ConfigError(
            f"{folder}: contains `{others[0]}`, which `in2 export` did not write; choose another folder with `-o`"
        )
    if names and not is_export(folder) and layout.LOCK not in names:
        raise ConfigError(f"{folder}: is not an export of `in2 export`; choose another folder with `-o`")


def _empty(part: Path) -> None:
    """Remove the files of a killed export, except the lock, which this process holds."""
    (part / RECORD).unlink(missing_ok=True)
    (part / layout.CARD).unlink(missing_ok=True)
    shutil.rmtree(part / DATA, ignore_errors=True)


def _put_in_place(part: Path, output: Path) -> None:
    """Rename `part` to `output`; an earlier export there is renamed before and deleted afterwards."""
    (part / layout.LOCK).unlink()
    old = output.with_name(f"{output.name}.old.part")
    _require_export_or_nothing(old)
    shutil.rmtree(old, ignore_errors=True)  # left by an export that was killed at its end
    if output.exists():
        output.rename(old)
    commit_part(output)
    shutil.rmtree(old, ignore_errors=True)
