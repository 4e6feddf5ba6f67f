"""Which writer a build file asks for."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from in2_plugin.claiming import WORK_LOG
from in2_plugin.config import BuildConfig
from in2_plugin.questions.extractive import ExtractiveWriter
from in2_plugin.questions.question import QuestionWriter


def open_writer(config: BuildConfig, say: Callable[[str], None]) -> AbstractContextManager[QuestionWriter, Any]:
    """The writer of a build file, ready to write.

    Raises:
        MissingExtra: what it needs is not installed.
        ConfigError, EndpointError: the endpoint's key is missing.
        WorkLogError: the work log cannot be opened.
    """
    if config.questions.writer == "extractive":
        return nullcontext(ExtractiveWriter(config.seed))
    from in2_plugin.questions.model_writer import ModelWriter

    return ModelWriter(config.questions, config.output / WORK_LOG, say)
