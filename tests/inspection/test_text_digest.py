from in2_plugin.inspection.text_digest import text_digest


def test_digests_identify_texts_and_their_order():
    texts = [("a", "b"), ("b", "a"), ("ab",), ("a", "b", ""), ("",), ()]
    assert len({text_digest(*text) for text in texts[:5]}) == 5
    assert text_digest("a", "b") == text_digest("a", "b")
    assert text_digest(None) == text_digest("")


def test_a_digest_fits_in_64_bits():
    assert 0 <= text_digest("question", "\udcff") < 2**64
