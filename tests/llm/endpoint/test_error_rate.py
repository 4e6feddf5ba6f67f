from in2_plugin.llm.endpoint.error_rate import MIN_OUTCOMES, WINDOW, ErrorRate


def test_fewer_than_twenty_outcomes_are_not_judged():
    rate = ErrorRate(0.2)
    messages = [rate.record("status 500") for _ in range(MIN_OUTCOMES)]
    assert messages[:-1] == [None] * (MIN_OUTCOMES - 1)
    assert messages[-1] == "20 of the last 20 requests failed, most often: status 500 (20 times)"


def test_the_limit_may_be_reached_but_not_exceeded():
    rate = ErrorRate(0.2)
    for _ in range(16):
        rate.record(None)
    assert [rate.record("html", "attempts") for _ in range(4)] == [None] * 4
    assert rate.record("html", "attempts") == "5 of the last 21 attempts failed, most often: html (5 times)"


def test_a_success_never_reports_an_error_rate():
    rate = ErrorRate(0.2)
    for _ in range(MIN_OUTCOMES):
        rate.record("x")
    assert rate.record(None) is None


def test_only_the_last_hundred_count():
    rate = ErrorRate(0.2)
    for reason in ["old"] * 20 + [None] * WINDOW:
        rate.record(reason)
    assert [rate.record("new") for _ in range(20)] == [None] * 20
    assert rate.record("new") == "21 of the last 100 requests failed, most often: new (21 times)"


def test_the_three_most_common_reasons_are_named():
    rate = ErrorRate(0.5)
    for reason in ["a"] * 4 + ["b"] * 3 + ["c"] * 2 + ["d"] * 10:
        rate.record(reason)
    assert rate.record("d") == ("20 of the last 20 requests failed, most often: d (11 times); a (4 times); b (3 times)")


def test_reset_forgets_all_outcomes():
    rate = ErrorRate(0.2)
    for _ in range(50):
        rate.record("x")
    rate.reset()
    assert rate.record("x") is None
