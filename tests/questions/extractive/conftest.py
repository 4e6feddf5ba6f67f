"""Questions of every form, written about the bundled documents."""

import numpy as np
import pytest

from in2_plugin.config import Lengths
from in2_plugin.corpus.store_writer import build_store
from in2_plugin.questions import Kind, Passage, Question
from in2_plugin.questions.collection import passages
from in2_plugin.questions.extractive.writer import ExtractiveWriter


@pytest.fixture(scope="package")
def store(documents, mistral, tmp_path_factory):
    return build_store(
        documents, tmp_path_factory.mktemp("store"), mistral,
        segment_tokens=128, paper_exact=False, rng=np.random.default_rng(0),
    )  # fmt: skip


@pytest.fixture(scope="package")
def written(store) -> list[tuple[Passage, Question]]:
    """Questions with the passages that they are about."""
    found = []
    for kind in Kind:
        source = passages(store, kind, Lengths(min=2_048, max=4_096), np.random.default_rng(0))
        sample = [next(source) for _ in range(400)]
        found += [
            (passage, question)
            for passage, question in zip(sample, ExtractiveWriter(0).write(sample, int), strict=True)
            if isinstance(question, Question)
        ]
    return found
