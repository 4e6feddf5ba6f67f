"""The build file: one Pydantic tree, unknown keys refused with the nearest valid one."""

from in2_plugin.config.base import Config, nearest, parse_config
from in2_plugin.config.build import BuildConfig, CorpusConfig, Lengths, Mixture, Source, load_build_file

__all__ = [
    "BuildConfig",
    "Config",
    "CorpusConfig",
    "Lengths",
    "Mixture",
    "Source",
    "load_build_file",
    "nearest",
    "parse_config",
]
