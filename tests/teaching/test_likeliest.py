"""The likeliest tokens and the exact probability of all others."""

import torch

from in2_plugin.teaching.likeliest import LEAST, likeliest_tokens


def test_the_rest_is_exact_where_one_minus_the_sum_is_rounded():
    logits = torch.tensor([[20.0, 0.0, 19.0, -1.0]])
    ids, logprobs = likeliest_tokens(logits, 2)
    assert ids.tolist() == [[0, 2]] and logprobs.shape == (1, 3) and logprobs.dtype == torch.float32
    exact = logits.double().log_softmax(-1)[0]
    expected = torch.stack([exact[0], exact[2], exact[[1, 3]].logsumexp(0)])
    torch.testing.assert_close(logprobs[0].double(), expected, rtol=1e-6, atol=1e-6)


def test_tokens_that_are_ruled_out_have_finite_values():
    _, logprobs = likeliest_tokens(torch.tensor([[0.0, -torch.inf, -torch.inf]]), 1)
    assert logprobs.tolist() == [[0.0, LEAST]]
