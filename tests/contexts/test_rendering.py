import numpy as np
import pytest
from tokenizers_for_tests import MODELS

from in2_plugin.contexts.rendering import IGNORED, Renderer, gold_spans
from in2_plugin.contexts.template import make_template
from in2_plugin.corpus.joining import Joining
from in2_plugin.corpus.store import build_store
from in2_plugin.corpus.tokenizer import ModelTokenizer

QUESTION, ANSWER = "Which words come after “the module”?", "defines a class; it is described below."


@pytest.fixture(scope="module", params=[Joining.SPLICE, Joining.RETOKENIZE])
def rendered_by(request, model, documents, tmp_path_factory):
    """(transformers tokenizer, renderer, store, end of turn) for each model and way of joining."""
    _, pretrained, end, _ = model
    tokenizer = ModelTokenizer(pretrained)
    store = build_store(
        documents[:60], tmp_path_factory.mktemp("store"), tokenizer,
        segment_tokens=128, paper_exact=False, rng=np.random.default_rng(0),
    )  # fmt: skip
    store = store.with_joining(request.param)
    return pretrained, Renderer(store, tokenizer, make_template("chat", tokenizer)), store, end


def orders(store, n=25):
    rng = np.random.default_rng(3)
    usable = np.flatnonzero(store.usable)
    for _ in range(n):
        yield rng.choice(usable, size=int(rng.integers(1, 30)), replace=False)


def test_ids_are_those_of_the_rendered_text(rendered_by):
    pretrained, renderer, store, _ = rendered_by
    for order in orders(store):
        text = renderer.text(order, QUESTION, ANSWER)
        expected = pretrained(text, add_special_tokens=False)["input_ids"]
        assert renderer.render(order, QUESTION, ANSWER).input_ids.tolist() == expected


def test_supervised_is_the_answer_and_its_end_of_turn(rendered_by):
    pretrained, renderer, store, end = rendered_by
    for order in orders(store):
        rendered = renderer.render(order, QUESTION, ANSWER)
        labels = rendered.labels
        supervised = labels[labels != IGNORED]
        # decoding the supervised ids alone would lose the space that SentencePiece models begin a text with
        start, stop = rendered.answer
        before, through = (pretrained.decode(rendered.input_ids[:upto]) for upto in (start, stop))
        assert through.removeprefix(before) == renderer._template.lead + ANSWER + end
        assert pretrained.convert_ids_to_tokens([int(supervised[-1])]) == [end]
        assert (labels[slice(*rendered.answer)] == rendered.input_ids[slice(*rendered.answer)]).all()


def test_gold_ranges_decode_to_the_gold_segments(rendered_by):
    pretrained, renderer, store, _ = rendered_by
    for order in orders(store):
        rendered = renderer.render(order, QUESTION, ANSWER)
        for span in gold_spans(rendered, order, order.tolist()):
            decoded = pretrained.decode(rendered.input_ids[span.start : span.stop])
            assert decoded.strip() == store.text(span.segment_id)


def test_overhead_predicts_the_length_within_a_few_tokens(rendered_by):
    _, renderer, store, _ = rendered_by
    for order in orders(store):
        predicted = renderer.overhead(QUESTION, ANSWER) + int(store.n_tokens[order].sum())
        assert abs(predicted - len(renderer.render(order, QUESTION, ANSWER).input_ids)) <= 3


def test_every_model_is_covered():
    assert {"mistral_v1", "llama3", "qwen_25", "qwen3", "chatml"} <= set(MODELS)
