import re
from pathlib import PurePosixPath

import pytest

from in2_plugin.errors import ConfigError
from in2_plugin.models.registry import MODELS, model_source


@pytest.mark.parametrize("source", MODELS.values(), ids=lambda source: source.name)
def test_digests_are_pinned(source):
    for digest in (source.wheel_sha256, source.gguf_sha256, source.tensors_sha256):
        assert re.fullmatch("[0-9a-f]{64}", digest)
    assert PurePosixPath(source.gguf).suffix == ".gguf" and model_source(source.name) is source


def test_an_unknown_name_is_an_error_that_lists_the_models():
    with pytest.raises(ConfigError, match="no model is called `smollm`; there is `smollm2-135m`"):
        model_source("smollm")
