"""Transports by section, and how many passages are in progress at a time."""

import asyncio

import pytest

from in2_plugin.config import QuestionsConfig
from in2_plugin.llm.work_log import WorkLog
from in2_plugin.questions.model.models import OPEN_BATCHES, Models, make_transport, model_config


def section(**endpoint: object) -> QuestionsConfig:
    values = {"model": "m", "base_url": "http://127.0.0.1:9/v1", "api_key_env": None, **endpoint}
    return QuestionsConfig.parse({"writer": "endpoint", "endpoint": values}, "test")


@pytest.fixture
def log(tmp_path):
    log = WorkLog(tmp_path / "work.sqlite")
    yield log
    log.close()


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        ({}, "LiveEndpoint"),
        ({"mode": "batch"}, "BatchEndpoint"),
        ({"base_url": ["http://127.0.0.1:9/v1", "http://127.0.0.1:1/v1"]}, "EndpointPool"),
    ],
)
def test_the_transport_follows_from_the_section(endpoint, name, log):
    async def opened() -> str:
        transport = make_transport(model_config(section(**endpoint)), log, print)
        await transport.close()
        return type(transport).__name__

    assert asyncio.run(opened()) == name


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [({"concurrency": "2-8"}, 16), ({"mode": "batch", "batch_requests": 10}, 10 * OPEN_BATCHES)],
)
def test_passages_in_progress_keep_the_transport_busy(endpoint, expected, log):
    async def opened() -> int:
        models = Models(section(**endpoint), log, "name")
        await models.close()
        return models.open_at_once

    assert asyncio.run(opened()) == expected


def test_a_writer_without_a_model_has_no_section():
    with pytest.raises(AssertionError, match="`writer: extractive` declares no model section"):
        model_config(QuestionsConfig())
