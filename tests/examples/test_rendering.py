import numpy as np
import pytest

from in2_plugin.corpus.splicing import Joining
from in2_plugin.corpus.store_writer import build_store
from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.examples.rendering import IGNORED, Renderer, gold_spans
from in2_plugin.examples.template import Template
from tests.support.vocabularies import MODELS

TURNS = [
    ("Which words come after “the module”?", "defines a class; it is described below."),
    ("And which before?", "It is in"),
]


@pytest.fixture(scope="module", params=[Joining.SPLICE, Joining.RETOKENIZE])
def rendered_by(request, model, documents, tmp_path_factory):
    """(transformers tokenizer, renderer, store, end of turn) for each model and kind of joining."""
    _, pretrained, end, _ = model
    tokenizer = ModelTokenizer(pretrained)
    store = build_store(
        documents[:60], tmp_path_factory.mktemp("store"), tokenizer,
        segment_tokens=128, paper_exact=False, rng=np.random.default_rng(0),
    )  # fmt: skip
    store = store.with_joining(request.param)
    return pretrained, Renderer(store, tokenizer, Template("chat", tokenizer)), store, end


def orders(store, n=12):
    rng = np.random.default_rng(3)
    usable = np.flatnonzero(store.usable)
    for _ in range(n):
        yield rng.choice(usable, size=int(rng.integers(1, 30)), replace=False)


@pytest.fixture(params=[1, 2], ids=["one turn", "two turns"])
def turns(request):
    return TURNS[: request.param]


def test_ids_equal_those_of_the_rendered_text(rendered_by, turns):
    pretrained, renderer, store, _ = rendered_by
    for order in [*orders(store), ()]:
        text = renderer.text(order, turns)
        expected = pretrained(text, add_special_tokens=False)["input_ids"]
        assert renderer.render(order, turns).input_ids.tolist() == expected


def test_only_answers_and_their_end_of_turn_are_supervised(rendered_by, turns):
    pretrained, renderer, store, end = rendered_by
    for order in [*orders(store), ()]:
        rendered = renderer.render(order, turns)
        labels = rendered.labels
        for (start, stop), (_, answer) in zip(rendered.answers, turns, strict=True):
            # decoding the supervised ids alone would lose the space that SentencePiece models begin a text with
            before, through = (pretrained.decode(rendered.input_ids[:upto]) for upto in (start, stop))
            assert through.removeprefix(before).strip() == answer + end
            assert pretrained.convert_ids_to_tokens([int(labels[stop - 1])]) == [end]
            assert (labels[start:stop] == rendered.input_ids[start:stop]).all()
        assert (labels != IGNORED).sum() == sum(stop - start for start, stop in rendered.answers)


def test_gold_ranges_decode_to_the_gold_segments(rendered_by, turns):
    pretrained, renderer, store, _ = rendered_by
    for order in orders(store):
        rendered = renderer.render(order, turns)
        for span in gold_spans(rendered, order, order.tolist()):
            decoded = pretrained.decode(rendered.input_ids[span.start : span.stop])
            assert decoded.strip() == store.text(span.segment_id)


def test_overhead_predicts_the_length_within_a_few_tokens(rendered_by, turns):
    _, renderer, store, _ = rendered_by
    for order in orders(store):
        predicted = renderer.overhead(turns) + int(store.n_tokens[order].sum())
        assert abs(predicted - len(renderer.render(order, turns).input_ids)) <= 3


SPACED = [(" Q ", " a "), ("\nQ\n", "\n"), ("“é한", "語。"), ("1", "2")]


def test_turns_have_the_tokens_that_they_have_together(rendered_by, monkeypatch):
    """Each turn is tokenized alone; here they are also tokenized as one text, as for a template without separator."""
    _, renderer, store, _ = rendered_by
    for turns in (TURNS[:1], TURNS, SPACED, SPACED[::-1]):
        order = next(orders(store))
        found = renderer.render(order, turns), renderer.overhead(turns)
        assert renderer._separator(renderer.template.frame(len(turns), True))
        joint = Renderer(store, renderer._tokenizer, renderer.template)
        monkeypatch.setattr(joint, "_separator", lambda frame: "")
        expected = joint.render(order, turns)
        assert found[0].input_ids.tolist() == expected.input_ids.tolist()
        assert found[0].answers == expected.answers and found[0].segments.tolist() == expected.segments.tolist()
        assert [ends.tolist() for ends in found[0].token_ends] == [ends.tolist() for ends in expected.token_ends]
        assert found[1] == joint.overhead(turns) <= joint.most_overhead(turns)


def test_messages_render_to_the_same_text(rendered_by, turns):
    pretrained, renderer, store, _ = rendered_by
    for order in [*orders(store, 3), ()]:
        rendered = pretrained.apply_chat_template(renderer.messages(order, turns), tokenize=False)
        assert rendered == renderer.text(order, turns)


def test_every_model_is_covered():
    assert {"mistral_v1", "llama3", "qwen_25", "qwen3", "chatml"} <= set(MODELS)
