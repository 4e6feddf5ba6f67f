from in2_plugin.llm.endpoint.error_rate import LEAST_REMEMBERED, REMEMBERED, Outcomes


def test_fewer_than_twenty_prove_nothing():
    outcomes = Outcomes(0.2)
    said = [outcomes.add("status 500") for _ in range(LEAST_REMEMBERED)]
    assert said[:-1] == [None] * (LEAST_REMEMBERED - 1)
    assert said[-1] == "20 of the last 20 requests failed, most often: status 500 (20 times)"


def test_the_share_may_be_reached_but_not_passed():
    outcomes = Outcomes(0.2)
    for _ in range(16):
        outcomes.add(None)
    assert [outcomes.add("html", "attempts") for _ in range(4)] == [None] * 4
    assert outcomes.add("html", "attempts") == "5 of the last 21 attempts failed, most often: html (5 times)"


def test_what_is_good_ends_nothing_even_among_failures():
    outcomes = Outcomes(0.2)
    for _ in range(LEAST_REMEMBERED):
        outcomes.add("x")
    assert outcomes.add(None) is None


def test_a_hundred_are_remembered():
    outcomes = Outcomes(0.2)
    for reason in ["old"] * 20 + [None] * REMEMBERED:
        outcomes.add(reason)
    assert [outcomes.add("new") for _ in range(20)] == [None] * 20
    assert outcomes.add("new") == "21 of the last 100 requests failed, most often: new (21 times)"


def test_the_three_commonest_reasons_are_named():
    outcomes = Outcomes(0.5)
    for reason in ["a"] * 4 + ["b"] * 3 + ["c"] * 2 + ["d"] * 10:
        outcomes.add(reason)
    assert outcomes.add("d") == (
        "20 of the last 20 requests failed, most often: d (11 times); a (4 times); b (3 times)"
    )


def test_what_is_forgotten_counts_no_more():
    outcomes = Outcomes(0.2)
    for _ in range(50):
        outcomes.add("x")
    outcomes.forget()
    assert outcomes.add("x") is None
