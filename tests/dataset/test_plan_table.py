"""Plans survive the conversion to a record batch."""

from in2_plugin.dataset.plan_table import batch_of, plans_in


def test_plans_survive_the_round_trip(dataset):
    plans = [dataset.plans.plan(number) for number in range(len(dataset))]
    batch = batch_of(plans)
    for given in (batch, batch.slice(5, 7)):
        offset = 0 if given is batch else 5
        read = list(plans_in(given))
        assert len(read) == given.num_rows
        for one, other in zip(read, plans[offset:], strict=False):
            assert (one.part, one.head, one.tail, one.n_tokens) == (other.part, other.head, other.tail, other.n_tokens)
            assert one.segment_ids.tolist() == other.segment_ids.tolist()
            assert one.answers.tobytes() == other.answers.tobytes()
            assert one.openings.tolist() == other.openings.tolist()
