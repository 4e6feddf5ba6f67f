"""`in2-hf` against lm_eval's `hf` on tiny random models: the same texts, or a fallback with its reason."""

import functools
import logging
import random
from itertools import islice
from pathlib import Path

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from transformers import Gemma3TextConfig, LlamaConfig, MistralConfig, Qwen2Config

from in2_plugin.config import CorpusConfig
from in2_plugin.corpus.sources.documents import read_documents
from in2_plugin.errors import ConfigError, ProbeError, PromptTooLong
from in2_plugin.probing.backends.comparison import TOLERANCE
from in2_plugin.probing.backends.hf import SharedContextLM
from in2_plugin.probing.backends.shared_context import SharedContext
from tests.support.tiny_lm import SHAPE, save

WORDS = next(islice(read_documents(CorpusConfig().sources), 40, None)).text.split()
SHORT = {"until": ["the"], "max_gen_toks": 12, "do_sample": False, "temperature": 0.0}
LONG = {"until": [], "max_gen_toks": 25}
MODELS = {
    "mistral": (MistralConfig(sliding_window=None, **SHAPE), {"eos_token_id": [2, *range(5, 2_000, 20)]}),
    "llama": (LlamaConfig(**SHAPE), {}),
    "qwen2": (Qwen2Config(**SHAPE), {"repetition_penalty": 1.1, "do_sample": True, "top_k": 20}),
    "gemma3": (Gemma3TextConfig(head_dim=16, sliding_window=64, **SHAPE), {}),
}


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Folder of a model by name, made when it is asked for."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            config, generation = MODELS[name]
            made[name] = save(config, tmp_path_factory.mktemp("models") / name, **generation)
        return made[name]

    return folder


def load(kind, folder: Path, **more):
    return kind(pretrained=str(folder), dtype="float32", device="cpu", batch_size=1, **more)


def requests(*settings: dict, n: int = 24, contexts: int = 2, seed: int = 0) -> list[Instance]:
    """Questions of several lengths about some contexts, mixed."""
    rng = random.Random(seed)
    texts = [" ".join(rng.choices(WORDS, k=90)) for _ in range(contexts)]
    prompts = [f"{rng.choice(texts)}\n\n{' '.join(rng.choices(WORDS, k=rng.randrange(1, 15)))}?" for _ in range(n)]
    return [
        Instance("generate_until", {}, (prompt, rng.choice(settings)), index) for index, prompt in enumerate(prompts)
    ]


class KeptLog(logging.Handler):
    """Keeps the messages that are logged."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture
def warnings():
    """The warnings of in2-hf, even after lm_eval has disconnected its loggers from the root."""
    logger, log = logging.getLogger("lm_eval.in2_hf"), KeptLog()
    log.setLevel(logging.WARNING)
    logger.addHandler(log)
    yield log.messages
    logger.removeHandler(log)


class PartialCache:
    """Records the calls to lm_eval's cache."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}

    def add_partial(self, kind, arguments, text):
        assert kind == "generate_until"
        self.told[repr(arguments)] = text


@pytest.mark.parametrize("name", ["mistral", "llama", "qwen2"])
@pytest.mark.parametrize("at_once", ["auto", 3])
def test_texts_equal_those_of_hf(folders, name, at_once):
    asked = requests(SHORT, LONG)
    expected = load(HFLM, folders(name)).generate_until(asked, disable_tqdm=True)
    lm = load(SharedContextLM, folders(name), questions_at_once=at_once)
    lm.cache_hook = PartialCache()
    assert lm.generate_until(asked, disable_tqdm=True) == expected
    assert len(set(expected)) > 8 and len({len(text.split()) for text in expected}) > 3
    assert (lm.counts.contexts, lm.counts.questions) == (2, 24)
    assert lm.counts.prefilled_tokens * 3 < lm.counts.prompt_tokens
    assert str(lm.comparison) == "compared 3 whole answers with those without a shared cache: all equal"
    assert lm.cache_hook.told == {repr(request.args): text for request, text in zip(asked, expected, strict=True)}


def test_the_end_of_thinking_is_found_like_in_hf(folders):
    asked = requests(LONG, n=8)
    hf = load(HFLM, folders("llama"))
    plain = hf.generate_until(asked, disable_tqdm=True)

    def thinking(end: int | str) -> list[str]:
        return load(HFLM, folders("llama"), think_end_token=end).generate_until(asked, disable_tqdm=True)

    # encoding a text again may give other tokens than were generated
    ids = {token for text in plain for token in hf.tok_encode(text, add_special_tokens=False)}
    token = next(token for token in sorted(ids) if thinking(token) != plain)
    for end in (hf.tokenizer.decode([token]), token):
        expected = thinking(end)
        lm = load(SharedContextLM, folders("llama"), think_end_token=end)
        assert lm.generate_until(asked, disable_tqdm=True) == expected
        assert lm.counts.questions == 8


def test_sampled_and_single_requests_fall_back_to_hf(folders, warnings):
    """Unrelated requests, questions about one context, and sampled ones: all in the order of the requests."""
    sampled = {"do_sample": True, "temperature": 0.5, "max_gen_toks": 4}
    unrelated = [request for seed in range(1, 7) for request in requests(LONG, n=1, seed=seed)]
    asked = [*unrelated, *requests(LONG, contexts=1), *requests(sampled, n=2)]
    lm = load(SharedContextLM, folders("llama"))
    found = lm.generate_until(asked, disable_tqdm=True)
    assert found[:30] == load(HFLM, folders("llama")).generate_until(asked[:30], disable_tqdm=True)
    assert lm.counts.contexts == 1 and lm.counts.questions == 24 and len(found) == 32
    assert warnings[:1] == ["in2-hf falls back to hf, which reads each context once per question: answers are sampled"]


def test_an_unsupported_model_falls_back_to_hf_with_a_warning(folders, warnings):
    asked = requests(LONG, n=6)
    lm = load(SharedContextLM, folders("gemma3"))
    assert lm.generate_until(asked, disable_tqdm=True) == load(HFLM, folders("gemma3")).generate_until(
        asked, disable_tqdm=True
    )
    assert lm.counts.contexts == 0
    assert warnings == [
        "in2-hf falls back to hf, which reads each context once per question: it has layers of type sliding_attention"
    ]


def test_a_model_with_different_logits_over_a_shared_cache_falls_back(folders, warnings):
    """The model ignores position ids, so that later questions get wrong positions."""
    asked = requests(LONG)
    lm = load(SharedContextLM, folders("llama"))
    forward = lm.model.forward

    @functools.wraps(forward)
    def without_positions(**inputs):
        return forward(**inputs | {"position_ids": None})

    lm.model.forward = without_positions
    found = lm.generate_until(asked, disable_tqdm=True)
    lm.model.forward = forward
    assert found == HFLM.generate_until(lm, asked, disable_tqdm=True)
    assert len(warnings) == 1 and "without a shared cache" in warnings[0] and lm.counts.questions == 0


def test_a_fault_that_begins_with_the_second_token_is_found(folders, warnings, monkeypatch):
    """Positions are right while questions are read, and wrong while answers are generated."""
    asked = requests(LONG)
    run = SharedContext._run

    def wrong(self, tokens, positions, keep, **cache):
        decoding = len(tokens) == len(list(keep))
        return run(self, tokens, [0] * len(positions) if decoding else positions, keep, **cache)

    monkeypatch.setattr(SharedContext, "_run", wrong)
    lm = load(SharedContextLM, folders("llama"))
    assert lm.generate_until(asked, disable_tqdm=True) == HFLM.generate_until(lm, asked, disable_tqdm=True)
    assert len(warnings) == 1 and "of an answer is not the likeliest one without a shared cache" in warnings[0]
    assert lm.counts.questions == 0 and lm.comparison.differing > 0


def test_a_forward_that_fails_without_a_cache_falls_back_to_hf(folders, warnings):
    asked = requests(LONG)
    lm = load(SharedContextLM, folders("llama"))
    forward = lm.model.forward

    @functools.wraps(forward)
    def picky(**inputs):
        if not inputs.get("use_cache", True):
            raise ValueError("a cache is needed")
        return forward(**inputs)

    lm.model.forward = picky
    assert lm.generate_until(asked, disable_tqdm=True) == HFLM.generate_until(lm, asked, disable_tqdm=True)
    assert len(warnings) == 1 and "(ValueError: a cache is needed)" in warnings[0]


def test_prompts_are_never_truncated(folders):
    lm = load(SharedContextLM, folders("llama"), max_length=120)
    for asked in (requests(LONG), requests(LONG, n=1)):
        with pytest.raises(
            PromptTooLong, match=r"the window is 120 and in2-hf never truncates: .* max_length=\d+ in --mod"
        ):
            lm.generate_until(asked, disable_tqdm=True)


@pytest.mark.parametrize(
    "failure", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")]
)
def test_out_of_memory_names_the_setting_to_lower(folders, failure):
    asked = requests(LONG)
    lm = load(SharedContextLM, folders("llama"), questions_at_once=6)

    @functools.wraps(lm.model.forward)
    def fail(**_):
        raise failure

    lm.model.forward = fail
    with pytest.raises(ProbeError, match=r"not enough memory for a context of .* set questions_at_once=3 in"):
        lm.generate_until(asked, disable_tqdm=True)


def test_other_failures_are_raised_after_the_comparison(folders):
    lm = load(SharedContextLM, folders("llama"))
    lm.generate_until(requests(LONG), disable_tqdm=True)

    @functools.wraps(lm.model.forward)
    def fail(**_):
        raise RuntimeError("a broken wire")

    lm.model.forward = fail
    with pytest.raises(RuntimeError, match="a broken wire"):
        lm.generate_until(requests(LONG, seed=5), disable_tqdm=True)


@pytest.mark.parametrize("number", ["0", "many", -1])
def test_questions_at_once_is_checked_before_a_model_is_loaded(number):
    with pytest.raises(ConfigError, match=f"questions_at_once={number} must be `auto` or a number above zero"):
        SharedContextLM(pretrained="nowhere", questions_at_once=number)


def test_in_half_precision_most_texts_are_the_same(folders):
    """Ties may resolve differently; the comparison stays within its limit."""
    asked = requests(LONG)
    arguments = {"pretrained": str(folders("llama")), "dtype": "bfloat16", "device": "cpu", "batch_size": 1}
    lm = SharedContextLM(**arguments)
    found = lm.generate_until(asked, disable_tqdm=True)
    assert lm.counts.questions == 24
    expected = HFLM(**arguments).generate_until(asked, disable_tqdm=True)
    assert sum(a[:5] == b[:5] for a, b in zip(found, expected, strict=True)) >= 18
    assert set(TOLERANCE) >= {torch.bfloat16, torch.float32}
