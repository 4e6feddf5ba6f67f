"""Fixtures that several rooms need, and the order of test files. Nothing here uses a network or a GPU.

transformers is imported in the fixtures that need it: 10 s of imports in the process that starts the workers of a run
would come before the first test.
"""

import gc
import json
import logging
import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from in2_plugin.config import CorpusConfig
from in2_plugin.corpus import tokenizer
from in2_plugin.corpus.screening.decontamination import Contaminants
from in2_plugin.corpus.sources.documents import Document, read_documents
from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.dataset.reader import IN2Dataset
from in2_plugin.pipeline.build import build_dataset
from tests.support import TESTS, vocabularies
from tests.support.builds import Quiet, small_config
from tests.support.cache import cached_folder
from tests.support.warm_start import LM_EVAL_PYTHONS

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in a background job of a shell; tests interrupt their commands
    signal.signal(signal.SIGINT, signal.default_int_handler)

DURATIONS = TESTS / "durations.json"
"""Seconds per test file in `make test`; `IN2_STORE_DURATIONS=1 make test` writes it again."""
QUICK = 3.0
"""Seconds that a test file may take in `make check`."""
WITH_AXOLOTL = (
    "test_axolotl.py", "training/axolotl/*.py", "preflight/*.py",
    "e2e/test_axolotl*.py", "e2e/test_context_parallel.py", "e2e/test_main_job.py", "e2e/test_parity.py",
    "e2e/test_preflight.py",
)  # fmt: skip
"""Files in which every test needs Axolotl: ignored where it is not installed. Single tests elsewhere skip."""
MISTRAL_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% else %} {{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
QWEN_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help=f"leave out test files that take more than {QUICK:.0f} s")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import long test files under `--quick`, and tests of Axolotl without Axolotl."""
    if not collection_path.is_relative_to(TESTS):
        return None
    if find_spec("axolotl") is None and any(collection_path.match(f"{TESTS}/{files}") for files in WITH_AXOLOTL):
        return True
    if not config.getoption("--quick"):
        return None
    return True if _seconds().get(collection_path.relative_to(TESTS.parent).as_posix(), 0) > QUICK else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first, so that no process idles at the end of a run."""
    unknown = float("inf")  # a new file may be long
    items.sort(key=lambda item: -_seconds().get(_file(item.nodeid), unknown))


def pytest_collection_finish() -> None:
    """Keep the garbage collector away from what is imported: a full collection of it takes half a second each time."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let the process end as usual: some libraries print what is left of them."""
    gc.unfreeze()


@cache
def _seconds() -> dict[str, float]:
    return json.loads(DURATIONS.read_text()) if DURATIONS.exists() else {}


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the seconds of each file of this run, keeping those of files that did not run."""
    if not os.environ.get("IN2_STORE_DURATIONS"):
        return
    seconds: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[_file(report.nodeid)] += report.duration
    merged = {**_seconds(), **{file: round(spent, 1) for file, spent in seconds.items()}}
    kept = {file: merged[file] for file in sorted(merged) if (TESTS.parent / file).exists()}
    DURATIONS.write_text(json.dumps(kept, indent=1) + "\n")


@pytest.fixture(autouse=True)
def loggers_enabled() -> None:
    """Enable our loggers again: importing `axolotl.cli` in an earlier test disables those that exist by then."""
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith("in2_plugin") and isinstance(logger, logging.Logger):
            logger.disabled = False


@pytest.fixture(scope="session", autouse=True)
def tokenizers_loaded_once() -> Iterator[None]:
    """Read each tokenizer's files once per process: 0.1 s for 32,000 entries, and every build, audit and check does."""
    read, loaded = tokenizer._read_files, {}

    def reread_if_changed(name: str) -> Any:
        folder = Path(name).absolute()
        if not folder.is_dir():
            return read(name)
        key = name, *((path, path.stat().st_mtime_ns) for path in sorted(folder.glob("*")))
        if folder not in loaded or loaded[folder][0] != key:
            loaded[folder] = key, read(name)
        return loaded[folder][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizer, "_read_files", reread_if_changed)
        yield


@pytest.fixture(scope="session", autouse=True)
def evaluation_items_indexed_once() -> Iterator[None]:
    """Index the bundled evaluation items once per process: 0.2 s, and every build screens and audits with them."""
    indexed = lru_cache(maxsize=4)(Contaminants.of)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Contaminants, "of", lambda items, n, shortest: indexed(tuple(items), n, shortest))
        yield


@pytest.fixture(params=LM_EVAL_PYTHONS, ids=[f"lm_eval {number}" for number in range(1, 1 + len(LM_EVAL_PYTHONS))])
def lm_eval_python(request: pytest.FixtureRequest) -> str:
    """The interpreter of this environment, and the one of IN2_LM_EVAL_PYTHON, which has another lm_eval."""
    return request.param


@pytest.fixture(scope="session")
def documents() -> list[Document]:
    """The first documents of the bundled corpus."""
    return _documents()


def _documents() -> list[Document]:
    return list(islice(read_documents(CorpusConfig().sources), 400))


@pytest.fixture(scope="session")
def mistral_folder() -> Path:
    """Tokenizer of Mistral-7B-Instruct-v0.2: real vocabulary, its turn format."""
    settings = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return cached_folder(
        "mistral", lambda folder: vocabularies.save(vocabularies.mistral(), folder, MISTRAL_TEMPLATE, **settings)
    )


@pytest.fixture(scope="session")
def mistral(mistral_folder) -> ModelTokenizer:
    from transformers import AutoTokenizer

    return ModelTokenizer(AutoTokenizer.from_pretrained(mistral_folder))


@pytest.fixture(scope="session")
def qwen_folder() -> Path:
    """A byte-level vocabulary with Qwen's pre-tokenisation and turn tokens, trained on the corpus."""

    def make(folder: Path) -> None:
        special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
        texts = [document.text for document in _documents()]
        tokenizer = vocabularies.byte_level(texts, vocabularies.QWEN2_REGEX, special)
        vocabularies.save(tokenizer, folder, QWEN_TEMPLATE, eos_token="<|im_end|>")

    return cached_folder("qwen", make)


@pytest.fixture(scope="session")
def qwen(qwen_folder) -> ModelTokenizer:
    from transformers import AutoTokenizer

    return ModelTokenizer(AutoTokenizer.from_pretrained(qwen_folder))


@pytest.fixture(scope="session")
def built(mistral_folder) -> Path:
    """A small finished dataset for the Mistral tokenizer. Tests must not write into it."""
    return cached_folder("built", lambda folder: build_dataset(small_config(folder, mistral_folder), Quiet()), "in2")


@pytest.fixture(scope="session")
def dataset(built, mistral) -> IN2Dataset:
    return IN2Dataset(built, mistral)
