"""Look up question writers by the name that a build file gives as `questions.writer`.

`OURS` has the form of entry points, so that our writers load like those of other packages. It is a table and not
a section of pyproject.toml, because a table also works in a checkout that is not installed, and an editable install
does not notice new entry points. No package can replace one of our names. Cost: ours need no search; another name costs
one search of the installed packages, 23 ms for 290 of them.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from in2_plugin.config.base import first_error
from in2_plugin.config.sentences import nearest
from in2_plugin.errors import ConfigError

GROUP = "in2_plugin.writers"
"""Entry-point group; each entry point names a `WriterSpec`."""
OURS = {
    name: EntryPoint(name, f"in2_plugin.questions.writers:{name.upper()}", GROUP)
    for name in ("extractive", "endpoint", "vllm")
}

RECORDS = "records"
"""Name of our writer for `mixture.records`, which no other writer may have."""


class FormDeclaration(Protocol):
    """The interface of `QuestionForm` (in2_plugin/questions/extractive/registry.py), with the names that weigh it."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def style(self) -> str: ...
    @property
    def direction(self) -> str: ...


FormT = TypeVar("FormT", bound=FormDeclaration)


class WriterDeclaration(Protocol):
    """The interface of `WriterSpec` (in2_plugin/questions/writers.py), a package that this one must not import."""

    @property
    def open(self) -> Callable[[Any], AbstractContextManager[Any, Any]]: ...
    @property
    def description(self) -> str: ...
    @property
    def settings(self) -> type[BaseModel] | None: ...
    @property
    def model_section(self) -> str | None: ...
    @property
    def asks_model(self) -> bool: ...
    @property
    def allows_judge(self) -> bool: ...
    @property
    def runs_in_workers(self) -> bool: ...
    @property
    def keeps_work_log(self) -> bool: ...
    @property
    def keeps_limits(self) -> bool: ...
    @property
    def forms(self) -> Callable[[], Sequence[FormDeclaration]]: ...


@lru_cache
def find_writer(name: str) -> "WriterDeclaration":
    """Return the declaration of the writer with this name.

    Raises:
        ConfigError: no package registers the name, or its declaration cannot be imported.
    """
    registered = () if name == RECORDS else entry_points(group=GROUP, name=name)
    entry = OURS.get(name) or next(iter(registered), None)
    if entry is None:
        raise ConfigError(_unknown(name))
    try:
        spec: WriterDeclaration = entry.load()
    except Exception as failure:  # a third party's module may raise anything
        reason = " ".join(f"{type(failure).__name__}: {failure}".split())
        raise ConfigError(f"`writer: {name}` cannot be loaded from `{entry.value}` ({reason})") from failure
    return spec


def complete_settings(model: type[BaseModel] | None, writer: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Validate a writer's own settings and return them with its defaults.

    Raises:
        ValueError: a key or value is wrong, or the writer has no settings.
    """
    if model is None:
        if given:
            raise ValueError(f"`writer: {writer}` has no settings of its own; delete the section")
        return {}
    try:
        return model.model_validate(given).model_dump(mode="json")
    except ValidationError as failure:
        raise ValueError(first_error(model, failure)) from None


def names_of(form: FormDeclaration) -> tuple[str, str, str]:
    """Return the names that weigh a form, in the order in which they are drawn: direction, style, form."""
    return form.direction, form.style, form.name


def weighed_forms(forms: Sequence[FormT], weights: Mapping[str, float]) -> list[FormT]:
    """Return the forms that `weights`, by name of a form, style or direction, do not exclude."""
    return [form for form in forms if all(weights.get(name, 1) for name in names_of(form))]


def check_weights(forms: Sequence[FormDeclaration], writer: str, weights: Mapping[str, float]) -> None:
    """Check the weights of a writer's forms.

    Raises:
        ValueError: the writer has no forms, a name is unknown, or no form has a weight.
    """
    if not forms:
        raise ValueError(f"`writer: {writer}` has no forms of questions to weigh; delete the section")
    groups = zip(*map(names_of, forms), strict=True)
    known = [str(name) for group in groups for name in dict.fromkeys(group)]
    for name in weights:
        if name not in known:
            near = nearest(name, known)
            advice = f"did you mean `{near}`? " if near else ""
            raise ValueError(f"no form, style or direction is named `{name}`; {advice}The names are {', '.join(known)}")
    if not weighed_forms(forms, weights):
        raise ValueError("these weights exclude every form of question; give one of them a weight above 0")


def _unknown(name: str) -> str:
    if name == RECORDS:
        return "questions about invented records are a part of the mixture, not a writer; set `mixture.records`"
    known = sorted({*OURS, *entry_points(group=GROUP).names})
    near = nearest(name, known)
    advice = f"did you mean `{near}`?" if near else f"registered writers: {', '.join(known)}."
    return (
        f"no writer is registered as {name!r}; {advice} A package registers a writer with an entry point of that name "
        f"in the group `{GROUP}`; see in2_plugin/questions/writers.py"
    )
