"""Options: ours are validated, lm_eval's are ignored."""

import pytest

from in2_plugin.errors import ConfigError
from in2_plugin.probing.probes.options import ProbeOptions, parse_options


def test_model_arguments_are_ignored():
    options = parse_options({"pretrained": "m", "max_length": 9, "version": 1.0, "probe_sets": "2"}, "here")
    assert options == ProbeOptions(probe_sets=2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"probe_lenght": 512}, "here: unknown key `probe_lenght`; did you mean `probe_length`?"),
        ({"probe_pices": 1}, "here: unknown key `probe_pices`; did you mean `probe_pieces`?"),
        ({"probe_length": 128}, "here: `probe_length` must be greater than 128, got 128"),
        ({"probe_sets": 0}, "here: `probe_sets` must be at least 1"),
        ({"probe_spans": 1}, "here: `probe_spans`"),
        ({"probe_questions": 0}, "here: `probe_questions`"),
        ({"probe_template": "mistral"}, "here: `probe_template` must be `plain` or `film`"),
    ],
)
def test_mistakes_are_named(given, message):
    with pytest.raises(ConfigError) as caught:
        parse_options(given, "here")
    assert str(caught.value).startswith(message)
