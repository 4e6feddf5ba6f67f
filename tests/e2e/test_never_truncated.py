"""The real lm_eval never gives a curve if a prompt would be truncated: by lm_eval, by a model's window, or by a server.

The server answers from what it has read, so an avg below 1.0 reveals truncation.
"""

import json
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.oracle_server import OracleServer
from tests.support.tiny_model import save_tiny_mistral
from tests.support.warm_start import run_warm

pytestmark = pytest.mark.slow

TASK = "val_probe_database"
LENGTH = 3_000
FORMS = {
    "tokens": ("local-completions", "completions", ["max_length=4097"], []),
    "text": ("local-completions", "completions", ["tokenized_requests=False"], []),
    "chat": ("local-chat-completions", "chat/completions", [], ["--apply_chat_template"]),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_tiny_mistral(tmp_path_factory.mktemp("never_truncated") / "model", window=1_024)


@pytest.fixture
def oracle(model):
    from transformers import AutoTokenizer

    with OracleServer(AutoTokenizer.from_pretrained(model)) as server:
        yield server


def measure(
    python: str, folder: Path, *arguments: object, length: int = LENGTH, ok: bool = True, **options: object
) -> str:
    """Run lm_eval on a single context and return its output."""
    metadata = json.dumps({"probe_length": length, "probe_sets": 1, "probe_questions": 12, **options})
    said = run_warm(
        python, "lm_eval", *arguments, "--tasks", TASK, "--include_path", ROOT / "lm_eval_tasks",
        "--metadata", metadata, "--output_path", folder, cwd=folder, ok=ok,
    )  # fmt: skip
    assert ok == bool(list(folder.rglob("results_*.json")))
    return said


def asking(oracle: OracleServer, model: Path, form: str) -> list[str]:
    """Return the arguments of lm_eval for one form of sending prompts."""
    backend, path, more, flags = FORMS[form]
    names = [f"base_url={oracle.url(path)}", "model=oracle", f"tokenizer={model}", *more]
    return ["--model", backend, "--model_args", ",".join(names), *flags]


def scores(folder: Path) -> tuple[float, float]:
    (path,) = folder.rglob("results_*.json")
    numbers = json.loads(path.read_text())["results"][TASK]
    return numbers["avg,none"], numbers["gap,none"]


@pytest.mark.e2e_full
@pytest.mark.parametrize("form", FORMS)
def test_an_oracle_with_room_scores_one_without_a_gap(lm_eval_python, oracle, model, tmp_path, form):
    oracle.limit = LENGTH
    measure(lm_eval_python, tmp_path, *asking(oracle, model, form))
    assert scores(tmp_path) == (1.0, 0.0)
    assert len(oracle.bodies) == 12 + 1  # one request more than is scored: the check of the endpoint


REFUSES = "PromptTooLong: {} refuses the longest prompt (2,"
HAS_READ = "PromptTooLong: {} has read 1,472 of the 2,"
REPORTS_NOTHING = "EndpointError: {} does not report how many tokens it has read"


@pytest.mark.parametrize(
    ("form", "over", "usage", "error"),
    [
        pytest.param("tokens", "refuse", True, REFUSES, marks=pytest.mark.e2e_full),
        pytest.param("chat", "refuse", True, REFUSES, marks=pytest.mark.e2e_full),
        ("text", "left", True, HAS_READ),
        pytest.param("chat", "left", True, HAS_READ, marks=pytest.mark.e2e_full),
        pytest.param("tokens", "left", False, REPORTS_NOTHING, marks=pytest.mark.e2e_full),
    ],
)
def test_a_server_with_too_small_a_limit_gives_an_error_and_no_curve(
    lm_eval_python, oracle, model, tmp_path, form, over, usage, error
):
    oracle.limit, oracle.over, oracle.usage = 1_600, over, usage
    said = measure(lm_eval_python, tmp_path, *asking(oracle, model, form), ok=False)
    assert error.format(oracle.url(FORMS[form][1])) in said
    assert len(oracle.bodies) == 1


@pytest.mark.e2e_full
def test_what_the_check_prevents(lm_eval_python, oracle, model, tmp_path):
    """Without the check, the same server gives a curve with a gap of 1, like a model that loses the beginning."""
    oracle.limit, oracle.over, oracle.usage = 1_600, "left", False
    measure(lm_eval_python, tmp_path, *asking(oracle, model, "tokens"), probe_trust_endpoint=True)
    avg, gap = scores(tmp_path)
    assert avg < 0.7 and gap == 1.0


@pytest.mark.e2e_full
def test_lm_evals_own_default_limit(lm_eval_python, oracle, model, tmp_path):
    names = f"base_url={oracle.url()},model=oracle,tokenizer={model}"
    said = measure(lm_eval_python, tmp_path, "--model", "local-completions", "--model_args", names, ok=False)
    assert "PromptTooLong" in said and "lm_eval's default max_length of 2,048" in said and oracle.bodies == []


@pytest.mark.e2e_full
def test_the_window_of_a_local_model_and_longer_answers(lm_eval_python, model, tmp_path):
    local = ("--model", "hf", "--model_args", f"pretrained={model},dtype=float32", "--device", "cpu")
    said = measure(lm_eval_python, tmp_path, *local, length=1_100, ok=False)
    assert "the window is 1,024 (max_position_embeddings of" in said and "probe_length to at most 1024" in said
    longer = ("--gen_kwargs", "max_gen_toks=300")
    said = measure(lm_eval_python, tmp_path, *local, *longer, length=1_024, ok=False)
    assert "and 300 are generated, but the window is 1,024" in said and "probe_length to at most 852" in said
    measure(lm_eval_python, tmp_path, *local, *longer, length=852)
