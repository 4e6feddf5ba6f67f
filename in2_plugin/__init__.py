"""Build information-intensive (IN2) training data, train on it, and probe the result.

Method: An et al., "Make Your LLM Fully Utilize the Context", arXiv 2404.16811. The names below are the public API
(docs/api.md). Each is imported on first use, so `import in2_plugin` loads only the standard library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from in2_plugin.config import BuildConfig, load_build_config
    from in2_plugin.dataset.reader import IN2Dataset
    from in2_plugin.errors import (
        ArrayJobDone,
        AuditFailed,
        ConfigError,
        CorpusError,
        DatasetError,
        DemoFailed,
        EndpointError,
        FolderLocked,
        HubError,
        In2Error,
        MissingExtra,
        ModelError,
        NotEnoughInstructions,
        NotEnoughQuestions,
        NotEnoughSegments,
        ProbeError,
        PromptTooLong,
        ReportError,
        ShardsMissing,
        SpendingStopped,
        TokenizerError,
        TokenizerMismatch,
        WorkerDied,
        WorkLogError,
    )
    from in2_plugin.inspection.audit.run import audit_dataset
    from in2_plugin.pipeline.build import build_dataset
    from in2_plugin.training.trl.data import load_in2_dataset

__version__ = "0.1.0.dev0"

__all__ = [
    "ArrayJobDone",
    "AuditFailed",
    "BuildConfig",
    "ConfigError",
    "CorpusError",
    "DatasetError",
    "DemoFailed",
    "EndpointError",
    "FolderLocked",
    "HubError",
    "IN2Dataset",
    "In2Error",
    "MissingExtra",
    "ModelError",
    "NotEnoughInstructions",
    "NotEnoughQuestions",
    "NotEnoughSegments",
    "ProbeError",
    "PromptTooLong",
    "ReportError",
    "ShardsMissing",
    "SpendingStopped",
    "TokenizerError",
    "TokenizerMismatch",
    "WorkLogError",
    "WorkerDied",
    "__version__",
    "audit_dataset",
    "build_dataset",
    "load_build_config",
    "load_in2_dataset",
]

_MODULES = {
    "BuildConfig": "in2_plugin.config",
    "IN2Dataset": "in2_plugin.dataset.reader",
    "audit_dataset": "in2_plugin.inspection.audit.run",
    "build_dataset": "in2_plugin.pipeline.build",
    "load_build_config": "in2_plugin.config",
    "load_in2_dataset": "in2_plugin.training.trl.data",
}
"""Where each name is defined; every other one is an error class of in2_plugin.errors."""


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES.get(name, "in2_plugin.errors")), name)
    return value


def __dir__() -> list[str]:
    """List the public names for completion in editors and notebooks."""
    return sorted({*globals(), *__all__})
