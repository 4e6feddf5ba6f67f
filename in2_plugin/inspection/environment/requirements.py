"""Find installed packages whose requirements the other installed packages do not meet, as `pip check` does.

Unlike `pip check`, only the hosts are looked at, and the bounds of optional parts count too: a DeepSpeed that Axolotl's
extra `deepspeed` excludes is a finding although nothing requires DeepSpeed. Nothing is imported.
"""

from collections.abc import Collection, Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.version import Version

OURS = "in2-plugin"


def installed_version(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def is_version(installed: str | None, exact: str) -> bool:
    """Compare two versions without their local part: `2.13.0+cpu` is `2.13.0`."""
    return installed is not None and Version(Version(installed).public) == Version(Version(exact).public)


def unmet_requirements(packages: Collection[str]) -> list[str]:
    """Return one sentence for each requirement of the installed ones among `packages` that is not met."""
    return list(dict.fromkeys(sentence for package in packages for sentence in _unmet(package, packages)))


def _unmet(package: str, packages: Collection[str]) -> Iterator[str]:
    version = installed_version(package)
    if version is not None:
        for requirement in _requirements(package, packages):
            found = installed_version(requirement.name)
            wanted = f"{requirement.name}{requirement.specifier}"
            if found is None:
                yield f"{package} {version} requires {wanted}, which is not installed; run `pip install '{wanted}'`"
            elif not requirement.specifier.contains(found, prereleases=True):
                yield f"{package} {version} requires {wanted}, but {found} is installed; run `pip install '{wanted}'`"


def _requirements(package: str, packages: Collection[str]) -> Iterator[Requirement]:
    """Yield what a package requires here, and what its extras require of the installed ones of `packages`.

    An extra counts if it has the name of the package that it requires, or is ours: other extras, such as `docs`, are
    for the developers of a package.
    """
    ours = metadata.metadata(OURS).get_all("Provides-Extra") or [] if package == OURS else []
    for line in metadata.requires(package) or []:
        requirement = Requirement(line)
        name, marker = requirement.name, requirement.marker
        extras = (name, *ours) if name in packages and installed_version(name) else ()
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement
