"""Write docs/build-file.md from the configuration classes: `python scripts/make_build_reference.py [PAGE]`.

Keys, types, bounds, defaults and meanings come from the Pydantic tree, origins of defaults from PAPER. An unknown key
in PAPER is an error. A test compares the page with the output of this script.
Cost: 20 s, most of it to import TRL for the last section.
"""

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from in2_plugin.config import BuildConfig
from in2_plugin.probing.probes.options import ProbeOptions
from in2_plugin.training.axolotl.args import IN2Options
from in2_plugin.training.options import DistillOptions

PAGE = Path(__file__).parents[1] / "docs/build-file.md"
HEAD = "| key | type | default | from | meaning |\n|---|---|---|---|---|"
DISTILL = "distill"
"""Heading of a section that two files have."""
REST = "ours"
"""Origin of a default that is not in PAPER."""

PAPER = {
    "corpus.segment_tokens": "paper, Algorithm 1",
    "corpus.decontamination.ngram": "paper, Appendix A",
    "questions.questions_per_call": "paper, its prompts",
    "questions.verify.fine_grained": "paper: none",
    "questions.verify.integration": "paper: none",
    "mixture.fine_grained": "paper / 1000",
    "mixture.integration": "paper / 1000",
    "mixture.short_context": "paper / 1000",
    "lengths.min": "paper: 4K",
    "lengths.max": "paper: 32K",
    "questions_per_context": "paper",
    "probe_length": "paper: about 32K",
    "probe_sets": "paper, its released data",
    "probe_questions": "paper, its released data",
    "probe_spans": "paper, its plots",
    "loss_normalization": "ours, unstated in the paper",
    "answer_weighting": "paper",
    "objective": "paper",
    "template": "ours; `film` is the paper's",
    "positions.strategy": "ours; `shuffle` is the paper's",
}
"""Origins of defaults that come from the paper, or for which the paper has another value."""

INTRODUCTION = """\
# The build file, key by key

<!-- written by scripts/make_build_reference.py; change the docstrings of the classes, not this page -->

`in2 build build.yml` reads this file. Two keys are required, `output` and `tokenizer`; every other one has the default
below. An unknown key is an error that names the nearest valid one. Background: [what goes into a dataset](data.md),
[questions from a language model](questions.md). `in2 schema` prints the JSON schema, for completion in editors.

The column *from* gives the origin of a default: the paper, or *ours* where the paper is silent or differs. You can
change keys marked **free** between two builds into one folder, because no question and no example depends on them. For
other keys see [changing your mind](questions.md#changing-your-mind).

[Other files](#other-files): the section `in2:` of an Axolotl file, our keys in a file for `in2 sft`, and the options of
the probes.
"""


def page() -> str:
    """Return the whole page."""
    unknown = PAPER.keys() - set(dotted_keys())
    if unknown:
        raise KeyError(f"PAPER names keys that no class has: {', '.join(sorted(unknown))}")
    return "\n".join([INTRODUCTION, *build_sections(), *option_sections(), *sft_section()])


def dotted_keys() -> Iterator[str]:
    """Yield every key of the page in dotted form."""
    for name, schema, _ in sections(BuildConfig.model_json_schema(), "", free=False):
        yield from (_joined(name, key) for key in schema["properties"])
    for model in (IN2Options, ProbeOptions):
        yield from model.model_fields


def build_sections() -> Iterator[str]:
    """Yield the heading, description and table of each section of the build file, outer sections first."""
    root = BuildConfig.model_json_schema()
    for name, schema, free in sections(root, "", free=False):
        yield f"## `{name}`\n" if name else "## The whole file\n"
        if name:
            yield f"{_flat(schema['description'])}\n"
        yield table(schema, root["$defs"], name, free)


def option_sections() -> Iterator[str]:
    """Yield the tables of our training and probing options."""
    yield "## Other files\n"
    yield "### `in2:` in an Axolotl file\n"
    yield "The plugin reads them; [training](training.md) explains what each does.\n"
    yield flat_table(IN2Options)
    yield f"### {DISTILL}\n"
    yield "In both files, beside `objective`; see [objectives](objectives.md).\n"
    yield flat_table(DistillOptions)
    yield "### Options of the probes\n"
    yield "Pass them to lm_eval as JSON, `--metadata '{\"probe_length\": 8192}'`; see [the VAL probes](probes.md).\n"
    yield flat_table(ProbeOptions)


def sft_section() -> Iterator[str]:
    """Yield the table of our keys in a config of `in2 sft`."""
    from in2_plugin.training.trl.arguments import IN2_PATH, SUPPORTED_KEYS, IN2Arguments
    from in2_plugin.training.trl.settings import sft_settings

    yield "### Our keys in a file for `in2 sft`\n"
    yield (
        f"Beside TRL's and accelerate's keys. An entry of `datasets:` with `path: {IN2_PATH}` is ours and takes "
        f"{_listed(f'`{key}`' for key in sorted(SUPPORTED_KEYS))}; see [training with TRL](trl.md).\n"
    )
    rows = [
        _row(
            one.name,
            _sft_type(one.type),
            _shown(one.default),
            PAPER.get(one.name, REST),
            one.metadata["help"],
        )
        for one in fields(IN2Arguments)
    ]
    given = (_row(key, "as in TRL", _shown(value), REST, "TRL's key, with the default that IN2 examples need.")
             for key, value in sft_settings().items())  # fmt: skip
    yield "\n".join([HEAD, *rows, *given]) + "\n"


def _sft_type(annotation: Any) -> str:
    if annotation is bool:
        return "true or false"
    choices = get_args(annotation)
    return f"[section](#{DISTILL})" if dict[str, Any] in choices else ", ".join(f"`{choice}`" for choice in choices)


def flat_table(model: type[BaseModel]) -> str:
    """Return the table of a class without sections."""
    schema = model.model_json_schema()
    return table(schema, schema.get("$defs", {}), "", free=False)


def sections(schema: dict[str, Any], name: str, free: bool) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Yield (dotted name, schema, whether all of it is free) of each section once, under its first name."""
    definitions, seen = schema["$defs"], set()

    def below(section: dict[str, Any], name: str, free: bool) -> Iterator[tuple[str, dict[str, Any], bool]]:
        yield name, section, free
        for key, field in section["properties"].items():
            reference = _reference(field)
            if reference and reference not in seen:
                seen.add(reference)
                yield from below(definitions[reference], _joined(name, key), free or _is_free(field))

    yield from below(schema, name, free)


def table(schema: dict[str, Any], definitions: dict[str, Any], section: str, free: bool) -> str:
    """Return a table with one row per key, in the order of the class."""
    required = schema.get("required", ())
    rows = [HEAD]
    for key, field in schema["properties"].items():
        reference = _reference(field)
        default = "required" if key in required else "" if reference else _shown(field["default"])
        if reference and field.get("default", ...) is None:
            default = "null"
        origin = "you" if key in required else "" if reference else PAPER.get(_joined(section, key), REST)
        meaning = field.get("description") or (definitions[reference]["description"] if reference else "")
        shown = f"**free**. {_flat(meaning)}" if free or _is_free(field) else _flat(meaning)
        rows.append(_row(key, type_words(field, _joined(section, key)), default, origin, shown))
    return "\n".join(rows) + "\n"


def type_words(field: dict[str, Any], dotted: str) -> str:
    """Return the type with its bounds in words, or a link to the table of a section."""
    if "anyOf" in field:
        return " or ".join(type_words(one, dotted) for one in field["anyOf"])
    if "$ref" in field:
        return _link(field["$ref"].rsplit("/", 1)[-1])
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if field["type"] == "array":
        items = field.get("prefixItems") or [field["items"]]
        inner = type_words(items[0], dotted)
        return f"{len(items)} x {inner}" if "prefixItems" in field else f"list of {inner}"
    return _scalar(field)


def _scalar(field: dict[str, Any]) -> str:
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false",
             "null": "null", "object": "mapping"}[field["type"]]  # fmt: skip
    if field.get("format") == "path":
        words = "path"
    bounds = [f"{sign} {field[name]:g}" for name, sign in
              (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
              if name in field]  # fmt: skip
    return " ".join([words, ", ".join(bounds)]).strip()


def _link(reference: str) -> str:
    if reference == DistillOptions.__name__:
        return f"[section](#{DISTILL})"
    name = next(name for name, schema, _ in sections(BuildConfig.model_json_schema(), "", free=False)
                if schema["title"] == reference)  # fmt: skip
    return f"[section](#{name.replace('.', '')})"


def _reference(field: dict[str, Any]) -> str | None:
    """Return the class name of a section, also within a list or a union with null, or None."""
    for one in (field, field.get("items", {}), *field.get("anyOf", ())):
        if "$ref" in one:
            return str(one["$ref"].rsplit("/", 1)[-1])
    return None


def _is_free(field: dict[str, Any]) -> bool:
    return field.get("changeable") is True


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f"`{value}`"
    return f"`{json.dumps(value)}`"


def _row(key: str, kind: str, default: str, origin: str, meaning: str) -> str:
    return f"| `{key}` | {kind} | {default} | {origin} | {meaning} |".replace("  ", " ")


def _joined(section: str, key: str) -> str:
    return f"{section}.{key}" if section else key


def _listed(words: Iterator[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}"


def _flat(text: str) -> str:
    """Return a docstring as one line of a table."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("page", nargs="?", type=Path, default=PAGE)
    parser.parse_args().page.write_text(page(), encoding="utf-8")
