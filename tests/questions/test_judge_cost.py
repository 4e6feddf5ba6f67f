from in2_plugin.questions.judge_cost import JUDGE_TOKENS, judge_usage


def test_a_call_reads_the_prompt_and_the_text_it_is_shown():
    usage = judge_usage(10, 160.4)
    assert (usage.answers, usage.input_tokens, usage.output_tokens) == (10, round(10 * (JUDGE_TOKENS + 160.4)), 40)


def test_a_judge_that_answers_writes_more_than_a_verdict():
    assert judge_usage(2, 0, completion_tokens=78).output_tokens == 156
