"""The build file: one Pydantic tree, unknown keys refused with the nearest valid one."""

from in2_plugin.config.base import Config, nearest, parse_config
from in2_plugin.config.build import BuildConfig, CorpusConfig, Lengths, Mixture, Source, load_build_file
from in2_plugin.config.questions import (
    Concurrency,
    EndpointConfig,
    LiteralChecks,
    Prices,
    Prompts,
    QuestionsConfig,
    Verification,
    VllmConfig,
)

__all__ = [
    "BuildConfig",
    "Concurrency",
    "Config",
    "CorpusConfig",
    "EndpointConfig",
    "Lengths",
    "LiteralChecks",
    "Mixture",
    "Prices",
    "Prompts",
    "QuestionsConfig",
    "Source",
    "Verification",
    "VllmConfig",
    "load_build_file",
    "nearest",
    "parse_config",
]
