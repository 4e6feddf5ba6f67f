"""A trainer's file, with the trainer's own validator: Axolotl's schema and our preflight, or TRL's parser.

Both need neither GPU nor data. Invariant: the file that is validated is the recipe's own, but for `base_model` where
something stands in for it. Cost: 6 s of imports for Axolotl, 10 s for TRL.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from in2_plugin import __version__
from in2_plugin.dataset.reader import FORMAT, Manifest
from in2_plugin.errors import ConfigError, MissingExtra
from in2_plugin.preflight.costs import GIB
from in2_plugin.preflight.dataset_summary import DatasetSummary
from in2_plugin.preflight.findings import Case, ConfigFinding
from in2_plugin.recipe.base_model import BaseModel
from in2_plugin.recipe.checks.check import Check, Mark, as_config_error
from in2_plugin.recipe.training_file import TrainingFile
from in2_plugin.training.axolotl.args import TYPES, options_of

MARKS: Mapping[str, Mark] = {"error": "ERROR", "warning": "warning", "note": "note"}
NEEDS = {"context_parallel_size": "ring_flash_attn"}
"""Keys that Axolotl refuses where a package is missing, and the package: they are left out of what it validates."""


def check_axolotl(file: TrainingFile, model: BaseModel, data: DatasetSummary) -> Iterator[Check]:
    """Axolotl's schema, then preflight on the dataset, or on the one that the build file plans."""
    name = file.path.name
    left_out = [key for key, package in NEEDS.items() if file.cfg.get(key) and find_spec(package) is None]
    try:
        cfg = validated(file.path, model, data, left_out)
    except MissingExtra as missing:
        yield Check("note", name, str(missing))
        return
    for key in left_out:
        cfg[key] = file.cfg[key]
        yield Check("note", name, f"`{key}` was not looked at: it needs {NEEDS[key]}, which is not installed here")
    case = _case(cfg, file, model, data)
    need, have = case.memory.total / GIB, case.gpu.memory / GIB
    where = f"{case.setup.gpus} x {case.gpu.name}"
    seen = "every example counted" if data.is_in2 else data.seen
    yield Check("ok", name, f"Axolotl takes it; about {need:.0f} of {have:.0f} GiB a GPU on {where} ({seen})")
    for finding in _findings(case):
        yield _as_check(name, finding, model, refuses=options_of(file.cfg).preflight)


def _as_check(name: str, finding: ConfigFinding, model: BaseModel, refuses: bool) -> Check:
    where = finding.where.replace(model.place, model.name)
    if finding.level == "error" and not refuses:
        return Check("warning", name, f"{where}: {finding.what} (the file accepts it: `preflight: false`)")
    return Check(MARKS[finding.level], name, f"{where}: {finding.what}; {finding.remedy}")


def validated(path: Path, model: BaseModel, data: DatasetSummary, left_out: Sequence[str]) -> Any:
    """Axolotl's configuration, with stand-ins in place of the model and of a dataset that is not there."""
    from in2_plugin.preflight.loading import load_config, quiet, read_file

    os.environ.setdefault("AXOLOTL_LOG_LEVEL", "ERROR")
    with TemporaryDirectory(prefix="in2-recipe-") as folder, quiet():
        _forget_plugins()
        copy = Path(folder, path.name)
        written = {key: value for key, value in read_file(path).items() if key not in left_out}
        if not data.is_in2:
            written["datasets"] = [_stood_in(entry, data, Path(folder)) for entry in written.get("datasets") or []]
        copy.write_text(yaml.safe_dump({**written, "base_model": model.place}), encoding="utf-8")
        try:
            return load_config(copy)
        except ConfigError as error:
            raise ConfigError(str(error).removeprefix(f"{copy}: ")) from None


def _stood_in(entry: Any, data: DatasetSummary, folder: Path) -> Any:
    """An entry of ours with a folder that has nothing but a manifest, which is what the plugin reads at first."""
    if not isinstance(entry, dict) or entry.get("type") not in TYPES:
        return entry
    place = folder / "dataset"
    place.mkdir(exist_ok=True)
    manifest = Manifest(
        format=FORMAT, version=__version__, tokenizer="", tokenizer_fingerprint="", template="chat",
        template_fingerprint="", joining="splice", examples=data.examples or 0, longest=data.longest, most_turns=1,
        most_turns_general=1, counts={}, build={},
    )  # fmt: skip
    (place / "manifest.json").write_text(json.dumps(asdict(manifest)), encoding="utf-8")
    return {**entry, "path": str(place)}


def _forget_plugins() -> None:
    """Those of the file before: Axolotl keeps them for the whole process, and their rules with them."""
    try:
        from axolotl.integrations.base import PluginManager
    except ModuleNotFoundError:
        return  # `load_config` says so
    PluginManager.get_instance().plugins.clear()


def _case(cfg: Any, file: TrainingFile, model: BaseModel, data: DatasetSummary) -> Case:
    from in2_plugin.preflight.costs import memory
    from in2_plugin.preflight.estimate import most_answers, row_length
    from in2_plugin.preflight.loading import choose_gpu
    from in2_plugin.preflight.training_setup import setup_of
    from in2_plugin.preflight.shape import read_model

    found = read_model(cfg)
    setup = setup_of(cfg, file.launch.gpus if file.launch else 1, found.adapter)
    row = row_length(cfg, [data])
    need = memory(found.shape, setup, row, most_answers(cfg, [data], row))
    return Case(cfg, found, setup, choose_gpu(file.gpu or "A100-80G"), (data,), need, model.tokenizer)


def _findings(case: Case) -> list[ConfigFinding]:
    from in2_plugin.preflight.checks import findings_of

    return findings_of(case)


def check_trl(file: TrainingFile, model: BaseModel, data: DatasetSummary) -> Iterator[Check]:
    """TRL's own parser and accelerate's, then what `in2 sft` refuses."""
    name = file.path.name
    try:
        from in2_plugin.training.trl.arguments import parse
        from in2_plugin.training.trl.launch import launch_options
        from in2_plugin.training.trl.settings import refuse_unfit
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "trl":
            raise
        yield Check("note", name, str(MissingExtra("`in2 sft`", "trl")))
        return
    with _environment_kept(), as_config_error("correct the file"):
        # use_cpu: transformers refuses bf16 where there is no GPU to have it
        arguments = parse(["--config", str(file.path), "--model_name_or_path", model.place, "--use_cpu", "true"])
        refuse_unfit(arguments.training, data.longest)
        launch_options(arguments.launch)
    yield Check("ok", name, "TRL and accelerate take it")


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Parsing sets variables (`env:`), prints usage, and ends the program where a value cannot be read."""
    before = dict(os.environ)
    try:
        with redirect_stdout(sys.stderr):
            yield
    except SystemExit as stop:
        raise ConfigError("TRL's parser refuses it, and says above which key it is; correct the file") from stop
    finally:
        os.environ.clear()
        os.environ.update(before)
