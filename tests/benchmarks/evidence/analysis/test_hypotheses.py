"""Every hypothesis has a direction and something that refutes it; invented studies get the right verdicts."""

import pytest
import yaml

from benchmarks.evidence.analysis.estimates import Estimate
from benchmarks.evidence.analysis.hypotheses import CLAIM, Hypothesis, Verdict, judge_all, judge_claim
from benchmarks.evidence.analysis.invented import invent_study
from benchmarks.evidence.analysis.scores import read_scores


def judged(low: float, high: float, direction: int, absence_of_harm: bool = False) -> str:
    one = Hypothesis("H", "c", ("t", 0), "dip", "a", "b", direction, 0.1, absence_of_harm)
    return one.judge(Estimate((low + high) / 2, (low, high), 3, 100))


@pytest.mark.parametrize(
    ("low", "high", "direction", "status"),
    [
        (0.01, 0.3, 1, "supported"), (-0.05, 0.05, 1, "refuted"), (-0.05, 0.15, 1, "undecided"),
        (-0.3, -0.2, 1, "refuted"), (-0.3, -0.01, -1, "supported"), (-0.05, 0.3, -1, "refuted"),
        (-0.15, 0.02, -1, "undecided"), (-0.09, -0.01, -1, "smaller than 10 points"),
        (0.01, 0.09, 1, "smaller than 10 points"),
    ],
)  # fmt: skip
def test_an_effect_is_supported_refuted_or_undecided(low, high, direction, status):
    assert judged(low, high, direction) == status


@pytest.mark.parametrize(
    ("low", "high", "status"),
    [(-0.05, 0.2, "supported"), (-0.3, -0.11, "refuted"), (-0.3, 0.1, "undecided"), (0.1, 0.2, "supported")],
)
def test_absence_of_harm(low, high, status):
    assert judged(low, high, 1, absence_of_harm=True) == status
    assert judged(-high, -low, -1, absence_of_harm=True) == status


def test_what_does_not_vary_or_was_not_measured():
    one = Hypothesis("H", "c", ("t", 0), "dip", "a", None, 1, 0.1)
    assert one.judge(Estimate(0.0, None, 3, 100)) == "undecided"
    assert one.judge(None) == "not measured"


SUPPORTED, SMALLER, REFUTED, UNDECIDED = (-0.3, -0.2), (-0.09, -0.01), (-0.05, 0.05), (-0.15, 0.05)


@pytest.mark.parametrize(
    ("intervals", "status"),
    [
        ((SUPPORTED, SUPPORTED, SUPPORTED), "supported"),
        ((SUPPORTED, REFUTED, SUPPORTED), "refuted"),
        ((UNDECIDED, SUPPORTED, REFUTED), "refuted"),
        ((REFUTED, SUPPORTED, SUPPORTED), "undecided"),
        ((SUPPORTED, SMALLER, SUPPORTED), "smaller than 10 points"),
        ((SUPPORTED, SMALLER, UNDECIDED), "undecided"),
        ((SUPPORTED, SUPPORTED, None), "not measured"),
    ],
)
def test_the_claim_is_h2_to_h4_together(intervals, status):
    def found(limits):
        return limits and Estimate(sum(limits) / 2, limits, 3, 100)

    def judged_with(of_h1):
        of_all = {"H1": (1, of_h1), **{name: (-1, one) for name, one in zip(CLAIM, intervals, strict=True)}}
        return judge_claim([
            Verdict(Hypothesis(name, "c", ("t", 0), "dip", "a", None, direction, 0.1), found(one))
            for name, (direction, one) in of_all.items()
        ])  # fmt: skip

    assert judged_with((0.2, 0.3)) == status
    if status != "not measured":
        assert judged_with((-0.1, 0.3)) == "void, because H1 is not supported"


def verdicts(folder, **dips: float) -> dict[str, str]:
    invent_study(folder, dips, questions=150, seeds=3, seed=1)
    return {one.hypothesis.name: one.status for one in judge_all(read_scores(folder)) if one.hypothesis.name != "H7"}


def test_a_cure_by_depth_is_found(tmp_path):
    found = verdicts(tmp_path, start=30, short=30, edges=30, middle=0, uniform=0)
    assert [found[name] for name in ("H1", "H2", "H3", "H4")] == ["supported"] * 4


def test_a_cure_by_length_alone_is_not_taken_for_one_by_depth(tmp_path):
    found = verdicts(tmp_path, start=30, short=30, edges=0, middle=0, uniform=0)
    assert (found["H2"], found["H4"]) == ("supported", "supported") and found["H3"] != "supported"


def test_a_dip_that_is_not_there_is_not_found(tmp_path):
    found = verdicts(tmp_path, start=0, short=0, edges=0, middle=0, uniform=0)
    assert "supported" not in found.values()


def test_arms_that_a_study_lacks_are_not_judged(tmp_path):
    invent_study(tmp_path, {"start": 30, "uniform": 0}, questions=50, seeds=2, seed=0)
    study = tmp_path / "study.yml"
    values = yaml.safe_load(study.read_text())
    del values["arms"]["middle"]
    study.write_text(yaml.safe_dump(values))
    found = {one.hypothesis.name: one.status for one in judge_all(read_scores(tmp_path))}
    assert "H6" not in found and found["H3"] == "not measured"
