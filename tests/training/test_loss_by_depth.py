"""Loss by depth and part, over several ranks and log entries."""

import torch

from in2_plugin.training.loss_by_depth import CODES, AnswerStatistics, is_opening

FINE, INTEGRATION = 0, 8


def test_mean_loss_by_depth_and_part():
    tally = AnswerStatistics()
    tally.add(torch.tensor([1.0, 3.0, 5.0]), torch.tensor([FINE + 0, CODES + FINE + 0, FINE + 4]))
    tally.add(torch.tensor([7.0]), torch.tensor([INTEGRATION + 5]))
    assert tally.take(lambda sums: sums, steps=2) == {
        "in2/answer_tokens_per_step": 2.0,
        "in2/loss_depth_00_20": 2.0,
        "in2/loss_depth_80_100": 5.0,
        "in2/loss_opening_depth_00_20": 3.0,
        "in2/loss_fine_grained": 3.0,
        "in2/loss_integration": 7.0,
    }
    assert tally.take(lambda sums: sums, steps=1) == {}


def test_divergences_and_the_mean_over_all_answer_tokens():
    losses, divergences = AnswerStatistics(), AnswerStatistics()
    token_codes = torch.tensor([FINE + 0, CODES + FINE + 0, INTEGRATION + 5])
    losses.add(torch.tensor([1.0, 3.0, 5.0]), token_codes)
    divergences.add(torch.tensor([0.5, 0.25, 0.75]), token_codes)
    assert losses.take(lambda sums: sums, distills=True)["in2/loss_answer"] == 3.0
    assert divergences.take_divergence(lambda sums: sums) == {"in2/kl": 0.5, "in2/kl_depth_00_20": 0.375}
    assert divergences.take_divergence(lambda sums: sums) == {}


def test_sums_include_other_ranks():
    tally = AnswerStatistics()
    tally.add(torch.tensor([1.0]), torch.tensor([FINE + 2]))
    found = tally.take(lambda sums: sums + torch.stack([sums[1] * 5, sums[1]]))
    assert found == {"in2/answer_tokens": 2.0, "in2/loss_depth_40_60": 3.0, "in2/loss_fine_grained": 3.0}


def test_rank_without_tokens_still_reduces():
    assert AnswerStatistics().take(lambda sums: sums + 1)["in2/answer_tokens"] == 2 * CODES


def test_codes_tell_openings_apart():
    assert is_opening(torch.tensor([FINE, CODES + FINE, CODES - 1])).tolist() == [False, True, False]
    assert 2 * CODES < 128  # an int8 in a batch
