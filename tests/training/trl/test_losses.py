"""The loss of each answer token, from a hook on the decoder."""

import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, MistralConfig, MistralForCausalLM

from in2_plugin.training.answer_logits import token_losses
from in2_plugin.training.trl.losses import AnswerTokenLosses, _gathered


def tiny(**changes):
    torch.manual_seed(0)
    values = {"vocab_size": 32_000, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
              "num_attention_heads": 2, "num_key_value_heads": 2, "sliding_window": None}  # fmt: skip
    return MistralForCausalLM(MistralConfig(**{**values, **changes}))


def losses_of(model, ids, labels):
    """Return the losses from a hook on the decoder, and from the model's logits."""
    hook = AnswerTokenLosses(model)
    hook.expect(labels)
    logits = model(input_ids=ids).logits
    return hook.take(), token_losses(logits[:, :-1], labels[:, 1:])


def test_losses_equal_those_of_the_logits():
    ids = torch.randint(100, (2, 40))
    labels = torch.where(torch.rand(2, 40) < 0.3, ids, -100)
    for model in (tiny(), tiny(tie_word_embeddings=True)):
        found, expected = losses_of(model, ids, labels)
        assert len(found) == (labels[:, 1:] != -100).sum() and not found.requires_grad
        torch.testing.assert_close(found, expected)


def test_logits_are_capped():
    torch.manual_seed(0)
    config = Gemma2Config(vocab_size=100, hidden_size=16, intermediate_size=16, num_hidden_layers=1, head_dim=8,
                          num_attention_heads=2, num_key_value_heads=2, final_logit_softcapping=0.05)  # fmt: skip
    ids = torch.randint(100, (1, 20))
    torch.testing.assert_close(*losses_of(Gemma2ForCausalLM(config).eval(), ids, ids))


def test_no_labels_give_no_losses():
    model, ids = tiny(), torch.randint(100, (1, 8))
    hook = AnswerTokenLosses(model)
    hook.expect(None)
    model(input_ids=ids)
    assert hook.take() is None
    hook.expect(torch.full_like(ids, -100))
    model(input_ids=ids)
    assert hook.take().numel() == 0


def test_prepended_prompt_tokens_give_no_losses():
    model, ids = tiny(), torch.randint(100, (1, 8))
    hook = AnswerTokenLosses(model)
    hook.expect(ids[:, 2:])
    model(input_ids=ids)
    assert hook.take() is None


def test_complete_head_is_not_gathered():
    head = torch.nn.Linear(2, 2)
    with _gathered(head) as nothing:
        assert nothing is None
    head.weight.ds_numel = head.weight.numel()  # as DeepSpeed marks parameters
    with _gathered(head) as nothing:
        assert nothing is None
