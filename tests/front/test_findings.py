"""The findings follow from the numbers: a learned closure that loses is said to lose."""

import pytest

from closurax.config import read_experiment
from closurax.experiments.findings import cards, describe, ranking

SETTINGS = read_experiment("subgrid-turbulence").comparison


def closure(error=None, half_width=0.01, blow_ups=0, cost=0.01):
    metrics = {"members": 4.0, "blow_ups": float(blow_ups), "seconds_per_time_unit": cost}
    if error is not None:
        metrics["tail_probability_4std"] = 0.002
        metrics["enstrophy_spectrum_error"] = error
        metrics["enstrophy_spectrum_error_low"] = error - half_width
        metrics["enstrophy_spectrum_error_high"] = error + half_width
    return metrics


def with_reference(**closures):
    tail = {f"tail_probability_4std{end}": 0.0015 for end in ("", "_low", "_high")}
    return {"reference": tail, **closures}


def test_winner_and_order_come_from_the_errors():
    metrics = with_reference(none=closure(0.9), leith=closure(0.2), learned=closure(0.1))
    assert ranking(metrics) == ["learned", "leith", "none"]
    lines = describe(metrics, SETTINGS)
    assert len(lines) == 5
    assert "is Learned with a log error of 0.100" in lines[0]
    assert "better (0.50 times the error) than the best physical one (Leith" in lines[1]
    assert "not clearly" not in lines[1]


def test_losing_is_said_in_plain_words():
    metrics = with_reference(none=closure(0.3), leith=closure(0.2), learned=closure(0.4))
    lines = describe(metrics, SETTINGS)
    assert "is Leith with" in lines[0]
    assert "worse (2.00 times the error) than the best physical one" in lines[1]
    assert "worse (1.33 times the error) than no closure" in lines[1]
    assert "better" not in lines[1]
    assert cards(metrics)[0][1] == "Leith"


def test_overlapping_intervals_are_no_clear_win():
    metrics = with_reference(
        none=closure(0.9), leith=closure(0.20, 0.05), learned=closure(0.18, 0.05)
    )
    assert (
        "not clearly better (0.90 times the error) than the best" in describe(metrics, SETTINGS)[1]
    )


def test_single_survivor_is_no_clear_win():
    learned = closure(0.1, blow_ups=3)
    del learned["enstrophy_spectrum_error_low"], learned["enstrophy_spectrum_error_high"]
    lines = describe(with_reference(none=closure(0.9), learned=learned), SETTINGS)
    assert "0.100 of one member" in lines[1]
    assert "not clearly better" in lines[1]


def test_blow_ups_are_counted_and_closures_without_survivors_come_last():
    metrics = with_reference(
        learned=closure(blow_ups=4), none=closure(0.9), gradient_2=closure(0.5, blow_ups=1)
    )
    assert ranking(metrics)[-1] == "learned"
    lines = describe(metrics, SETTINGS)
    assert "blew up in every member" in lines[1]
    assert "Learned 4 of 4" in lines[2]
    assert "Gradient model GM2 1 of 4" in lines[2]
    assert "the learned closure is among them" in lines[2]
    assert cards(metrics)[1][1] == "none"
    assert cards(metrics)[2][1] == "0 of 4"


def test_nothing_survives():
    metrics = with_reference(learned=closure(blow_ups=4), none=closure(blow_ups=4))
    assert "nothing to compare" in describe(metrics, SETTINGS)[0]


@pytest.mark.parametrize(
    "cost, text", [(0.02, "20.0 ms (2.0 times)"), (0.005, "5.0 ms (0.5 times)")]
)
def test_cost_is_relative_to_no_closure(cost, text):
    metrics = with_reference(none=closure(0.9), learned=closure(0.1, cost=cost))
    assert text in describe(metrics, SETTINGS)[4]
