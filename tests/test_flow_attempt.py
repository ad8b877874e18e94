"""What the host makes of the numbers of a step."""

import math

import pytest

from meanfield.dormand_prince import NODES
from meanfield.flow_attempt import Seen, see

FLAT = [0.5] * len(NODES)


def seen(rates: list[float], error: float, *turned: float) -> Seen:
    columns = ["error", "risk", "least", "arrived"]
    return see(columns, [*rates, error, 0.9, -0.1, 0.0, *turned], 1.0, 0.1, 1e-6)


def test_a_step_at_a_steady_rate() -> None:
    found = seen(FLAT, 0.25, -1.0, 2.0, -1.0, -1.0, -1.0, 3.0)
    assert (found.error, found.risk) == (0.25, 0.9)
    assert found.spent.at(1.0) == pytest.approx(0.1 * 0.5)
    assert (found.crossed, found.arrived) == (True, False)
    assert found.outward == (NODES[2], NODES[6])


def test_the_risk_dissipated_has_an_error_as_well() -> None:
    # The weight of the last stage is 1/40: 0.1 of it, over a tolerance of 1e-6 (1 + R).
    assert seen([*FLAT[:-1], 1.5], 0.25).error == pytest.approx(0.1 / 40 / 2e-6)


@pytest.mark.parametrize(("rate", "error"), [(math.nan, 0.25), (0.5, math.nan), (math.nan, 2.0)])
def test_an_error_that_is_not_known_is_not_a_small_one(rate: float, error: float) -> None:
    assert math.isnan(seen([*FLAT[:-1], rate], error).error)
