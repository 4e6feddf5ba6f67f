import xml.etree.ElementTree as ElementTree

from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.plots.lengths import describe_lengths, length_svg
from in2_plugin.reporting.read_results import read_models
from tests.support import lm_eval_results as made


def texts(svg):
    return [node.text.strip() for node in ElementTree.fromstring(svg).iter() if node.text and node.text.strip()]


def test_a_panel_has_its_lengths_and_models(rich):
    shown = texts(length_svg("code", rich))
    for text in ("Code", "4K", "8K", "32K", "Mistral", "FILM", "Length of the context, tokens"):
        assert text in shown


def test_equal_results_give_equal_bytes(rich):
    assert length_svg("document", rich) == length_svg("document", rich)


def test_averages_have_whiskers(rich):
    assert length_svg("code", rich).count("stroke-opacity: 0.6") == 6


def test_many_models_are_labelled_by_number(tmp_path):
    for length in (4096, 8192):
        code = {"code": made.paper_spans("FILM")["code"]}
        made.write(tmp_path, made.content("m", code, probe_length=length), f"x{length}")
    labels = [f"model {chr(97 + i)}" for i in range(12)]
    shown = texts(length_svg("code", compare(read_models([tmp_path] * 12, labels))))
    assert {str(i) for i in range(1, 13)} <= set(shown)
    assert not set(labels) & set(shown)


def test_the_panel_has_a_description(rich):
    shown = describe_lengths("code", rich)
    scores = [f"{100 * one.score.avg:.1f}%" for one in rich.models[0].of_family("", "code")]
    assert shown.startswith(
        f"Code probe, average score by length of the context. Mistral: {scores[0]} at 4K, {scores[1]}"
    )
