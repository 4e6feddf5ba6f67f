"""The JSON schema of a build file, for completion and checks in editors.

It is Pydantic's, with the short forms that our validators accept added: a bare path for a source, a bare strategy for
`positions`, a range for `concurrency`. Bounds between several keys are checked by `in2 build` alone.
"""

from typing import Any

from in2_plugin.config.build import BuildConfig

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TEXT = {"type": "string"}
SHORT_FORMS: dict[str, list[dict[str, Any]]] = {
    "Source": [TEXT],
    "RowSource": [TEXT],
    "EvaluationSource": [TEXT],
    "ExcludedFolder": [TEXT],
    "Positions": [TEXT],
    "Concurrency": [TEXT, {"type": "integer", "minimum": 1}],
}
"""Class of a section -> other values that its key accepts."""


def build_schema() -> dict[str, Any]:
    """Return the JSON schema of a build file; the explanation of a field is its `description`."""
    schema: dict[str, Any] = _plain(BuildConfig.model_json_schema())
    return {"$schema": DIALECT, **schema, "title": "Build file of in2-plugin"}


def _plain(node: Any) -> Any:
    """Add short forms, put descriptions on one line, and drop our own marks, at any depth."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    result = {key: _plain(value) for key, value in node.items() if key != "changeable"}
    if isinstance(text := result.get("description"), str):
        result["description"] = " ".join(text.split())
    short = SHORT_FORMS.get(str(result.get("$ref", "")).rsplit("/", 1)[-1])
    return {**_without_ref(result), "anyOf": [{"$ref": result["$ref"]}, *short]} if short else result


def _without_ref(node: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key != "$ref"}
