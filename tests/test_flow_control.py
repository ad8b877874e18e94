"""The control of one flow's step: what is accepted, how long the next is, and events."""

import pytest

from meanfield.dormand_prince import Step
from meanfield.flow_attempt import Seen
from meanfield.flow_control import FlowError, Run
from meanfield.sticky_origin import Event

SPENT = Step(0.0, 0.0, [0.0] * 7, 1.0)


def run(wanted: tuple[float, ...] = (1.0,), *, ordered: bool = False) -> Run:
    return Run(0, "", list(wanted), 1e-6, 100, risk=1.0, ordered=ordered, size=0.1)


def seen(error: float, **more: float) -> Seen:
    return Seen(**{"error": error, "risk": 0.9, "spent": SPENT, **more})  # type: ignore[arg-type]


def nothing() -> tuple[None, int]:
    return None, 0


@pytest.mark.parametrize(
    ("error", "factor"), [(1.5, 0.9 * 1.5**-0.17), (1e9, 0.2), (float("nan"), 0.2)]
)
def test_a_step_that_errs_is_tried_again_shorter(error: float, factor: float) -> None:
    flow = run()
    assert not flow.accepts(seen(error), nothing)
    assert flow.size == pytest.approx(0.1 * factor)
    assert (flow.steps, flow.rejected, flow.time, flow.risk) == (0, 1, 0.0, 1.0)


@pytest.mark.parametrize(
    ("error", "factor"), [(1.0, 0.9 * 1e-4**0.04), (1e-3, 0.9 * 1e-3**-0.17 * 1e-4**0.04), (0, 10)]
)
def test_an_accurate_step_is_taken_and_the_next_fits(error: float, factor: float) -> None:
    flow = run()
    assert flow.accepts(seen(error), nothing)
    flow.advance(seen(error), 0.1)
    assert flow.size == pytest.approx(0.1 * factor)
    assert (flow.steps, flow.rejected, flow.time, flow.risk) == (1, 0, 0.1, 0.9)
    assert flow.dissipated == 0.1


def test_the_times_within_a_step() -> None:
    flow = run((0.05, 0.1, 0.3))
    parts = []
    while (part := flow.next_part()) is not None:
        parts.append(part)
        flow.reached += 1
    assert parts == [0.5, 1.0]
    assert not flow.done


@pytest.mark.parametrize(("landed", "free"), [(None, True), ("some atoms", False)])
def test_a_step_is_shortened_to_an_event_once(landed: object, free: bool) -> None:
    flow = run()
    event = Event(0.25, landed)
    assert not flow.accepts(seen(0.5), lambda: (event, 9))
    assert (flow.size, flow.rejected, flow.calls) == (0.025, 1, 9)
    # The next step ends there, whatever else is seen.
    assert flow.accepts(seen(0.5), lambda: (event, 9))
    assert flow.event is event
    flow.advance(seen(0.5), 0.1)
    assert (flow.event, flow.free, flow.calls) == (None, free, 9)
    flow.advance(seen(0.5), 0.1)
    assert not flow.free


def test_an_event_is_sought_again_after_a_step_to_it_was_rejected() -> None:
    flow = run()
    assert not flow.accepts(seen(0.5), lambda: (Event(0.25, None), 9))
    assert not flow.accepts(seen(2.0), nothing)
    assert flow.event is None


def test_particles_that_change_places_are_an_error() -> None:
    touching = seen(0.5, gap=-1e-6, largest=0.5)
    swapped = seen(0.5, gap=-0.1, largest=0.5)
    assert run(ordered=True).accepts(touching, nothing)
    with pytest.raises(FlowError, match=r"two particles changed places by 0\.1 in the step from"):
        run(ordered=True).accepts(swapped, nothing)
    assert run().accepts(swapped, nothing)


@pytest.mark.parametrize("risk", [1.0 + 2e-6, float("nan")])
def test_a_rising_risk_is_an_error(risk: float) -> None:
    assert run().accepts(seen(0.5, risk=1.0 + 5e-7), nothing)
    with pytest.raises(FlowError, match=r"the risk rose from 1 to .* lower dd.tolerance"):
        run().accepts(seen(0.5, risk=risk), nothing)


def test_a_step_that_vanishes_is_an_error() -> None:
    flow = run()
    flow.time, flow.size = 1.0, 2e-14
    assert not flow.accepts(seen(float("nan")), nothing)
    with pytest.raises(FlowError, match=r"the step of the flow fell to 8e-16 at t = 1 .* nan"):
        flow.accepts(seen(float("nan")), nothing)
