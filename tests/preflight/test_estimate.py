"""Steps, tokens and time from dataset summaries."""

from dataclasses import replace

import numpy as np
import pytest

from in2_plugin.preflight.costs import GPUS
from in2_plugin.preflight.estimate import (
    estimate_run,
    is_balanced,
    most_answers,
    ranks_used,
    representative,
    row_length,
)
from in2_plugin.preflight.training_setup import setup_of
from tests.support.preflight_cases import PLUGIN, Cfg, configuration, model, summary

SEEN = "the first 100 of 1,000"


def run(*listed, gpus: int = 8, **changes):
    cfg = configuration(**changes)
    return estimate_run(cfg, model(), setup_of(cfg, gpus), GPUS["A100-80G"], listed or (summary(),))


def test_steps_of_whole_epochs():
    found = run(gradient_accumulation_steps=2, num_epochs=3)
    assert (found.rows_per_step, found.steps, found.examples) == (16, 21, 100)
    assert found.tokens_per_step == pytest.approx(16 * summary().lengths.mean())
    assert found.answer_tokens_per_step == pytest.approx(16 * summary().answers.mean())
    assert found.tokens == pytest.approx(300 / 16 * found.tokens_per_step)


def test_max_steps_and_held_out_examples():
    assert run(gradient_accumulation_steps=2, max_steps=5).steps == 5
    assert run(val_set_size=0.2).examples == 80
    assert run(val_set_size=30).examples == 70


def test_sample_is_extrapolated():
    whole = run(summary(type="chat_template", seen=SEEN, examples=1_000))
    assert whole.examples == 1_000 and whole.steps == 8 and not whole.balanced
    dropped = summary(type="chat_template", seen=SEEN, examples=1_000, looked_at=200)
    assert run(dropped).examples == 500


def test_time_grows_with_steps_and_shrinks_with_gpus():
    many = summary(examples=10_000, seen=SEEN)
    assert run(many, num_epochs=2).seconds == pytest.approx(2 * run(many).seconds, rel=0.01)
    assert run(many, gpus=16).seconds < 0.7 * run(many).seconds


@pytest.mark.parametrize("unknown", [summary(examples=None), summary(looked_at=0)])
def test_unknown_size_is_not_estimated(unknown):
    assert run(summary(), unknown) is None


def test_packed_rows_hold_several_examples():
    packed = run(sample_packing=True, gradient_accumulation_steps=1, num_epochs=4)
    plain = run(gradient_accumulation_steps=1, num_epochs=4)
    assert packed.steps < plain.steps and packed.tokens_per_step == pytest.approx(8 * 32_768)


def test_datasets_are_weighted_by_their_rows():
    short = summary(examples=900, lengths=np.full(50, 10), answers=np.full(50, 5), looked_at=50)
    known = [(summary(), 100.0), (short, 900.0)]
    lengths = representative(known)
    assert np.mean(lengths == 10) == pytest.approx(0.9, abs=0.02)


def test_length_balance_keeps_ranks_busy():
    rng = np.random.default_rng(0)
    lengths = rng.integers(4_096, 32_768, 20_000)
    setup = setup_of(configuration(), 16)
    assert ranks_used(lengths, model(), setup, True) > 0.95
    assert ranks_used(lengths, model(), setup, False) < 0.6


@pytest.mark.usefixtures("only_listed_plugins")
@pytest.mark.parametrize(
    ("changes", "balanced"),
    [
        ({}, True),
        ({"plugins": None}, False),
        ({"in2": {"length_balanced": False}}, False),
        ({"in2": {"lazy": False}}, False),
        ({"sample_packing": True}, False),
        ({"datasets": [Cfg(path="in2", type="in2", shards=2)]}, False),
    ],
)
def test_settings_that_disable_length_balance(changes, balanced):
    assert is_balanced(configuration(**changes), (summary(),)) is balanced
    assert not is_balanced(configuration(plugins=[PLUGIN]), (summary(seen=SEEN),))


def test_rows_are_padded():
    listed = (replace(summary(), lengths=np.array([100, 1_000])),)
    assert row_length(configuration(), listed) == 1_024
    assert row_length(configuration(sequence_len=1_000), listed) == 1_000
    assert row_length(configuration(pad_to_sequence_len=True), listed) == 32_768
    assert row_length(configuration(sample_packing=True), listed) == 32_768


def test_answers_of_a_packed_row():
    listed = (replace(summary(), lengths=np.array([100, 1_000]), answers=np.array([10, 20])),)
    assert most_answers(configuration(), listed, 1_024) == 20
    assert most_answers(configuration(sample_packing=True), listed, 32_768) == 3_277
