"""Pages as long as segments, whatever the tokenizer and the form."""

import numpy as np
import pytest

from in2_plugin.questions.records.pages import pages_of
from in2_plugin.questions.records.registers import PAGE_RECORDS, invent_register


@pytest.mark.parametrize("segment_tokens", [32, 64, 128, 512])
def test_pages_have_about_as_many_tokens_as_a_segment(mistral, segment_tokens):
    registers = [invent_register(number, 0) for number in range(40)]
    pages = [page for register in registers for page in pages_of(register, mistral.count, segment_tokens)]
    tokens = np.array(mistral.count(pages))
    assert len(pages) == 80
    assert tokens.min() >= 0.9 * segment_tokens
    assert np.median(tokens) <= segment_tokens + 40
    # line breaks between the parts of a page are not counted, as in Algorithm 1
    assert tokens.max() <= 1.1 * segment_tokens + 80


def test_no_record_is_on_two_pages(mistral):
    for number in range(20):
        register = invent_register(number, 0)
        first, second = (register.records_on(page) for page in pages_of(register, mistral.count, 128))
        assert first and second and not set(first) & set(second)


def test_a_page_has_an_end_however_long_segments_are():
    register = invent_register(0, 0)
    pages = pages_of(register, lambda texts: [1] * len(texts), 10**6)
    assert [len(register.records_on(page)) for page in pages] == [PAGE_RECORDS] * 2
