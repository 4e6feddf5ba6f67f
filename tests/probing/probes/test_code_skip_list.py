"""The skip list of the code probe."""

from in2_plugin.probing.probes.code_skip_list import CODE_SKIP_LIST


def test_every_entry_is_a_question_of_the_four_sets():
    assert len(CODE_SKIP_LIST) == 313 and all(0 <= index < 4 * 800 for index in CODE_SKIP_LIST)
