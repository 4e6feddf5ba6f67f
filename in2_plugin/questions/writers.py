"""Which writer a build file asks for."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from in2_plugin.config import BuildConfig
from in2_plugin.dataset.build_record import WORK_LOG
from in2_plugin.questions.extractive.writer import ExtractiveWriter
from in2_plugin.questions.question import QuestionWriter


def open_writer(
    config: BuildConfig, say: Callable[[str], None], *, on_ray: bool = False, log: Path | None = None
) -> AbstractContextManager[QuestionWriter, Any]:
    """The writer of a build file, ready to write.

    Args:
        say: shows a line to the user.
        on_ray: this process is connected to a Ray cluster, whose GPUs `writer: vllm` uses.
        log: a work log of a job's own, beside that of the build, which is only read then.

    Raises:
        MissingExtra: what it needs is not installed.
        ConfigError, EndpointError: the endpoint's key is missing.
        WorkLogError: the work log cannot be opened.
    """
    if config.questions.writer == "extractive":
        return nullcontext(ExtractiveWriter(config.seed))
    from in2_plugin.questions.model.writer import ModelWriter

    own = config.output / WORK_LOG
    return ModelWriter(config.questions, log or own, say, on_ray=on_ray, known=own if log else None)
