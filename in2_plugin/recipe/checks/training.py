"""Check a training file with the trainer's own validator: Axolotl's schema and our preflight, or TRL's parser.

Needs no GPU and no data. The validated file is the recipe's own, except for a replaced `base_model` or missing dataset.
Cost: 6 s of imports for Axolotl, 10 s for TRL.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from in2_plugin import __version__, layout
from in2_plugin.dataset.reader import FORMAT, Manifest
from in2_plugin.errors import ConfigError, MissingExtra
from in2_plugin.preflight.costs import GIB
from in2_plugin.preflight.dataset_summary import DatasetSummary
from in2_plugin.preflight.findings import Case, ConfigFinding
from in2_plugin.recipe.base_model import BaseModel
from in2_plugin.recipe.checks.check import FileCheck, Mark, as_config_error
from in2_plugin.recipe.training_file import TrainingFile
from in2_plugin.training.axolotl.args import options_of
from in2_plugin.training.axolotl.plugins import TYPES, rl_of, trains_on_prompts

MARKS: Mapping[str, Mark] = {"error": "ERROR", "warning": "warning", "note": "note"}


def check_axolotl(file: TrainingFile, model: BaseModel, data: DatasetSummary) -> Iterator[FileCheck]:
    """Check a file with Axolotl's schema, then with preflight on the dataset or on the planned one."""
    name = file.path.name
    try:
        cfg = validated(file.path, model, data)
    except MissingExtra as missing:
        yield FileCheck("note", name, str(missing))
        return
    case = _case(cfg, file, model, data)
    yield FileCheck("ok", name, f"Axolotl accepts it; {_need(case, data)}")
    for finding in _findings(case):
        yield _as_check(name, finding, model, refuses=options_of(file.cfg).preflight)


def _need(case: Case, data: DatasetSummary) -> str:
    if trains_on_prompts(case.cfg):
        return f"time and memory are not estimated for `rl: {rl_of(case.cfg)}`"
    need, have = case.memory.total / GIB, case.gpu.memory / GIB
    seen = "every example counted" if data.is_in2 else data.seen
    return f"about {need:.0f} of {have:.0f} GiB per GPU on {case.setup.gpus} x {case.gpu.name} ({seen})"


def _as_check(name: str, finding: ConfigFinding, model: BaseModel, refuses: bool) -> FileCheck:
    where = finding.where.replace(model.path, model.name)
    if finding.level == "error" and not refuses:
        return FileCheck("warning", name, f"{where}: {finding.what} (the file accepts it: `preflight: false`)")
    return FileCheck(MARKS[finding.level], name, f"{where}: {finding.what}; {finding.remedy}")


def validated(path: Path, model: BaseModel, data: DatasetSummary) -> Any:
    """Return Axolotl's validated config, with placeholders for the model and for a missing dataset."""
    from in2_plugin.preflight.loading import load_config, quiet, read_file

    os.environ.setdefault("AXOLOTL_LOG_LEVEL", "ERROR")
    with TemporaryDirectory(prefix="in2-recipe-") as folder, quiet():
        _forget_plugins()
        copy = Path(folder, path.name)
        written = read_file(path)
        if not data.is_in2:
            written["datasets"] = [_placeholder(entry, data, Path(folder)) for entry in written.get("datasets") or []]
        copy.write_text(yaml.safe_dump({**written, "base_model": model.path}), encoding="utf-8")
        try:
            return load_config(copy)
        except ConfigError as error:
            raise ConfigError(str(error).removeprefix(f"{copy}: ")) from None


def _placeholder(entry: Any, data: DatasetSummary, folder: Path) -> Any:
    """Point an IN2 entry to a folder with only a manifest: the plugin reads nothing else at first."""
    if not isinstance(entry, dict) or entry.get("type") not in TYPES:
        return entry
    place = folder / "dataset"
    place.mkdir(exist_ok=True)
    manifest = Manifest(
        format=FORMAT, version=__version__, tokenizer="", tokenizer_fingerprint="", template="chat",
        template_fingerprint="", joining="splice", examples=data.examples or 0, longest=data.longest, most_turns=1,
        most_turns_general=1, counts={}, build={},
    )  # fmt: skip
    (place / layout.MANIFEST).write_text(json.dumps(asdict(manifest)), encoding="utf-8")
    return {**entry, "path": str(place)}


def _forget_plugins() -> None:
    """Clear the plugins of the previous file: Axolotl keeps them, and their rules, for the whole process."""
    try:
        from axolotl.integrations.base import PluginManager
    except ModuleNotFoundError:
        return  # `load_config` reports it
    PluginManager.get_instance().plugins.clear()


def _case(cfg: Any, file: TrainingFile, model: BaseModel, data: DatasetSummary) -> Case:
    from in2_plugin.preflight.costs import memory
    from in2_plugin.preflight.estimate import most_answers, row_length
    from in2_plugin.preflight.loading import choose_gpu
    from in2_plugin.preflight.shape import read_model
    from in2_plugin.preflight.training_setup import setup_of

    found = read_model(cfg)
    setup = setup_of(cfg, file.launch.gpus if file.launch else 1, found.adapter)
    row = row_length(cfg, [data])
    need = memory(found.shape, setup, row, most_answers(cfg, [data], row))
    return Case(cfg, found, setup, choose_gpu(file.gpu or "A100-80G"), (data,), need, model.tokenizer)


def _findings(case: Case) -> list[ConfigFinding]:
    from in2_plugin.preflight.checks import findings_of
    from in2_plugin.preflight.prompts.checks import config_findings

    return config_findings(case) if trains_on_prompts(case.cfg) else findings_of(case)


def check_trl(file: TrainingFile, model: BaseModel, data: DatasetSummary) -> Iterator[FileCheck]:
    """Check a file with TRL's and accelerate's parsers, then with the rules of `in2 sft`."""
    name = file.path.name
    try:
        from in2_plugin.training.trl.arguments import parse
        from in2_plugin.training.trl.launch import launch_options
        from in2_plugin.training.trl.settings import refuse_incompatible
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "trl":
            raise
        yield FileCheck("note", name, str(MissingExtra("`in2 sft`", "trl")))
        return
    with _environment_kept(), as_config_error("correct the file"):
        # use_cpu: transformers rejects bf16 without a GPU
        arguments = parse(["--config", str(file.path), "--model_name_or_path", model.path, "--use_cpu", "true"])
        refuse_incompatible(arguments.training, data.longest)
        launch_options(arguments.launch)
    yield FileCheck("ok", name, "TRL and accelerate accept it")


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Undo the side effects of parsing: environment variables (`env:`), usage on stdout, and exit on a bad value."""
    before = dict(os.environ)
    try:
        with redirect_stdout(sys.stderr):
            yield
    except SystemExit as stop:
        raise ConfigError("TRL's parser rejects it and names the key above; correct the file") from stop
    finally:
        os.environ.clear()
        os.environ.update(before)
