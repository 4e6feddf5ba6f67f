"""Write a probe as files, for engines that lm_eval does not drive: offline vLLM, or the batch interface of an API.

Prompts are made and written one at a time, set by set, so that a prefix cache reads each context once. Invariant: the
folder appears under its name only when it is complete. Cost: 3,200 prompts of 32K tokens take 0.4 GB on disk and about
3 s in addition to building.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from in2_plugin.errors import ProbeError
from in2_plugin.io.atomic import write_atomic, write_json_atomic
from in2_plugin.probing.offline.sources import OfflineProbe, OfflineQuestion
from in2_plugin.probing.probes.options import NEW_TOKENS

GOLD, FACTS = "gold.jsonl", "probe.json"
MOST_BYTES, MOST_REQUESTS = 200_000_000, 50_000
"""Limits of one file of the batch interface (platform.openai.com/docs/guides/batch, November 2026)."""


class Form(StrEnum):
    """The format of a row of prompts."""

    PROMPTS = "prompts"
    """The whole prompt as text, for a completion."""
    MESSAGES = "messages"
    """One user turn, which the engine renders in the model's chat template."""
    BATCH = "batch"
    """A request line of the batch interface."""


@dataclass(frozen=True, slots=True)
class WrittenProbe:
    """A folder with a probe."""

    folder: Path
    files: tuple[str, ...]
    """Names of the prompt files, in the order of the questions."""
    questions: int
    is_new: bool
    """False if the folder already had the same probe."""


def write_probe(probe: OfflineProbe, output: Path, form: Form, model: str | None = None) -> WrittenProbe:
    """Write prompts, gold rows and facts of a probe into the new folder `output`.

    Args:
        probe: the questions; see `offline/sources.py`.
        output: a folder that does not exist, is empty, or has this very probe, which is then left unchanged.
        form: the format of a row of prompts.
        model: name of the model with the API, for `Form.BATCH` only.

    Raises:
        ProbeError: the options contradict each other, `output` has other content, or it cannot be written.
    """
    _check_form(probe, form, model)
    output = output.expanduser().resolve()
    facts = {**probe.facts, "questions": len(probe.questions), "form": form.value, "model": model}
    facts["max_tokens"] = NEW_TOKENS
    first_row = _line(_row(probe, probe.questions[0], form, model))
    facts["first_row"] = hashlib.sha256(first_row).hexdigest()[:16]  # changes with the chat template
    if (existing := _existing_facts(output, facts)) is not None:
        return WrittenProbe(output, tuple(existing["files"]), len(probe.questions), is_new=False)
    part = output.with_name(output.name + ".part")
    _remove_leftover(part)
    try:
        write_atomic(output, lambda folder: _write_folder(folder, probe, facts, form, model))
    except OSError as problem:
        raise ProbeError(f"{output}: cannot be written ({problem.strerror or problem}); give another folder") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    files = json.loads((output / FACTS).read_text(encoding="utf-8"))["files"]
    return WrittenProbe(output, tuple(files), len(probe.questions), is_new=True)


def _check_form(probe: OfflineProbe, form: Form, model: str | None) -> None:
    if form is not Form.PROMPTS and probe.template != "plain":
        raise ProbeError(
            f"template {probe.template} writes the tags of a turn, and with --format {form} the engine does, too; "
            "use template plain, or --format prompts"
        )
    if (form is Form.BATCH) != (model is not None):
        raise ProbeError("--model is the model of a batch request: set it with --format batch, and only there")


def _existing_facts(output: Path, facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the facts of this very probe in `output`; None if the folder is free."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return None
    try:
        there = json.loads((output / FACTS).read_text(encoding="utf-8"))
        other = [key for key in facts if key != "version" and there[key] != facts[key]]
        lost = [name for name in (GOLD, *there["files"]) if not (output / name).is_file()]
    except (OSError, ValueError, LookupError, TypeError):
        raise ProbeError(f"{output}: has other files; give a folder that does not exist") from None
    if other:
        raise ProbeError(f"{output}: has a probe with other {', '.join(other)}; give another folder")
    if lost:
        raise ProbeError(f"{output}: {', '.join(lost)} of this probe is missing; remove the folder and write it again")
    return dict(there)


def _remove_leftover(part: Path) -> None:
    """Remove the folder that a killed run left, and nothing else."""
    if part.exists():
        names = [path.name for path in part.iterdir()] if part.is_dir() else [""]
        if not all(name.startswith((*Form, "gold.", "probe.")) for name in names):
            raise ProbeError(f"{part}: was not written by `in2 val write`; remove it or give another folder")
        shutil.rmtree(part)


def _write_folder(folder: Path, probe: OfflineProbe, facts: dict[str, Any], form: Form, model: str | None) -> None:
    folder.mkdir(parents=True)
    _write_lines(folder / GOLD, (_line(question.gold_row) for question in probe.questions))
    lines = (_line(_row(probe, question, form, model)) for question in probe.questions)
    files = []
    for number, group in groupby(_numbered(lines, form), key=itemgetter(0)):
        files.append(f"{form}-{number:03d}.jsonl" if form is Form.BATCH else f"{form}.jsonl")
        _write_lines(folder / files[-1], (line for _, line in group))
    write_json_atomic(folder / FACTS, {**facts, "files": files})


def _write_lines(path: Path, lines: Iterable[bytes]) -> None:
    def write(part: Path) -> None:
        with part.open("wb") as file:
            file.writelines(lines)

    write_atomic(path, write)


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row).encode() + b"\n"


def _row(probe: OfflineProbe, question: OfflineQuestion, form: Form, model: str | None) -> dict[str, Any]:
    prompt = probe.prompt(question.set, question.position)
    messages = [{"role": "user", "content": prompt}]
    if form is Form.BATCH:
        body = {"model": model, "messages": messages, "temperature": 0, "max_tokens": NEW_TOKENS}
        return {"custom_id": question.id, "method": "POST", "url": "/v1/chat/completions", "body": body}
    asked = {"prompt": prompt} if form is Form.PROMPTS else {"messages": messages}
    return {"id": question.id, "set_id": question.set, "position_id": question.position, **asked}


def _numbered(lines: Iterable[bytes], form: Form) -> Iterator[tuple[int, bytes]]:
    """Yield (number of the file, from 1, line)."""
    number, size, requests = 1, 0, 0
    for line in lines:
        size, requests = size + len(line), requests + 1
        if form is Form.BATCH and (size > MOST_BYTES or requests > MOST_REQUESTS):
            number, size, requests = number + 1, len(line), 1
        yield number, line
