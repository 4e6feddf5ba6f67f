"""The build file: one Pydantic tree, unknown keys refused with the nearest valid one."""

from in2_plugin.config.base import Config, parse_config
from in2_plugin.config.build import BuildConfig, load_build_config
from in2_plugin.config.corpus import (
    CorpusConfig,
    Decontamination,
    EvaluationSource,
    NearDuplicateConfig,
    RowSource,
    Source,
)
from in2_plugin.config.examples import (
    LONG_PARTS,
    PARTS,
    AuditBounds,
    Distractors,
    Instructions,
    Lengths,
    Mixture,
    Positions,
)
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
from in2_plugin.config.ray import RayConfig
from in2_plugin.config.sentences import nearest

__all__ = [
    "LONG_PARTS",
    "PARTS",
    "AuditBounds",
    "BuildConfig",
    "Concurrency",
    "Config",
    "CorpusConfig",
    "Decontamination",
    "Distractors",
    "EndpointConfig",
    "EvaluationSource",
    "Instructions",
    "Lengths",
    "LiteralChecks",
    "Mixture",
    "NearDuplicateConfig",
    "Positions",
    "Prices",
    "Prompts",
    "QuestionsConfig",
    "RayConfig",
    "RowSource",
    "Source",
    "Verification",
    "VllmConfig",
    "load_build_config",
    "nearest",
    "parse_config",
]
