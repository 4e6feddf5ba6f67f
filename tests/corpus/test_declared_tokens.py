import json

import pytest
from tokenizers import AddedToken, Tokenizer, models

from in2_plugin.corpus.declared_tokens import DeclaredTokens


def test_named_tokens_come_before_extra_ones_and_settings_before_defaults(tmp_path):
    settings = {"image_token": "<image>", "eos_token": "</s>", "bos_token": None, "extra_special_tokens": ["<x>"]}
    declared = DeclaredTokens.read(tmp_path, settings, {}, {"eos_token": "<default>", "pad_token": "<pad>"})
    assert declared.named_texts() == {"eos_token": "</s>", "pad_token": "<pad>", "image_token": "<image>"}
    assert declared.texts() == ["</s>", "<pad>", "<image>", "<x>"]


def test_tokens_are_added_in_order_of_their_ids_and_named_tokens_become_special(tmp_path):
    added = {7: AddedToken("<b>"), 3: AddedToken("<a>")}
    declared = DeclaredTokens.read(tmp_path, {"eos_token": "<b>", "unk_token": "<c>"}, added, {})
    backend = Tokenizer(models.WordLevel({"word": 0}, unk_token="word"))
    declared.add_to(backend)
    tokens = backend.get_added_tokens_decoder()
    assert [(i, tokens[i].content, tokens[i].special) for i in tokens] == [
        (1, "<a>", False),
        (2, "<b>", True),
        (3, "<c>", True),
    ]


@pytest.mark.parametrize(
    "content", [{"additional_special_tokens": ["<x>"]}, {"bos_token": None}, {"bos_token": ["<s>"]}]
)
def test_an_old_map_with_other_content_is_not_supported(content, tmp_path):
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(content))
    assert DeclaredTokens.read(tmp_path, {}, {}, {}) is None
    assert DeclaredTokens.read(tmp_path, {"added_tokens_decoder": {}}, {}, {})
