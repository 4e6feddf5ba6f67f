from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.read_results import read_models
from in2_plugin.reporting.text.run_settings import fact_rows
from tests.support import lm_eval_results as made


def test_settings_are_in_a_fixed_order_with_one_value_per_model(comparison):
    facts = dict(fact_rows(comparison))
    assert list(facts) == [
        "Model",
        "Context length, tokens",
        "Context sets",
        "Questions",
        "Seed",
        "Prompt template",
        "Scored rows",
        "Task version",
        "Chat template",
        "Date",
        "lm_eval",
        "Results file",
    ]
    assert facts["Model"] == ("mistralai/Mistral-7B-Instruct-v0.2", "out/film")
    assert facts["Context length, tokens"] == ("32768", "32768")
    assert facts["Scored rows"][0] == "3200 (document), 2887 (code), 2998 (database)"
    assert facts["Date"] == ("2025-11-13 02:13 UTC",) * 2


def test_model_arguments_are_shown_without_the_name_and_secrets(tmp_path):
    made.write(tmp_path, made.content("adapter", made.paper_spans("FILM"), peft="adapter", pretrained="base"))
    facts = dict(fact_rows(compare(read_models([tmp_path]))))
    assert facts["pretrained"] == ("base",)
    assert "peft" not in facts
    assert "secret" not in str(facts)


def test_an_option_of_a_later_version_keeps_its_name(tmp_path):
    made.write(tmp_path, made.content("m", made.paper_spans("FILM"), probe_exact=True))
    names = [name for name, _ in fact_rows(compare(read_models([tmp_path])))]
    assert names[names.index("Chat template") + 1] == "probe_exact"


def test_other_probes_that_were_run_are_listed(rich, comparison):
    other = "lengths 4K and 8K, without the context, pattern by style, authors' data"
    assert dict(fact_rows(rich))["Besides"] == (other, other)
    assert "Besides" not in dict(fact_rows(comparison))


def test_a_model_without_the_three_probes_shows_settings_of_its_own_probes(tmp_path):
    value = made.content("m", {})
    made.add(value, "val_probe_matrix_code_forward", made.drawn_sets([0.5], 64, 1))
    made.add(value, "val_probe_closed_book_code", made.drawn_sets([0.5], 32, 1))
    made.write(tmp_path, value)
    facts = dict(fact_rows(compare(read_models([tmp_path]))))
    assert facts["Scored rows"] == ("128 (code without context), 256 (code forward)",)
    assert facts["Seed"] == ("1",)


def test_a_model_without_any_probe_is_shown_by_name(tmp_path):
    made.write(tmp_path, {"results": {"mmlu": {}}, "model_name": "org/m"})
    facts = dict(fact_rows(compare(read_models([tmp_path]))))
    assert facts["Model"] == ("org/m",)
    assert facts["Results file"] == ("–",)
