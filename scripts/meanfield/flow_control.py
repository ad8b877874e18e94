"""The control of one flow: its time, its step, what is accepted, and what must hold of every step.

The controller is that of Hairer, Norsett and Wanner's DOPRI5. All of it is numbers on the host, so
that each of many flows that are solved together has a step of its own.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from meanfield.flow_attempt import Seen
from meanfield.sticky_origin import Event

# The proportional-integral controller: h_new = h SAFETY err^-PROPORTIONAL err_before^INTEGRAL.
_SAFETY, _PROPORTIONAL, _INTEGRAL = 0.9, 0.17, 0.04
_LARGEST_SHRINK, _LARGEST_GROWTH = 0.2, 10.0


class FlowError(RuntimeError):
    """The integration cannot go on or has lost a property of the exact flow.

    Attributes:
        place: which of the flows that are solved together it is, from 0 on.
    """

    def __init__(self, message: str, place: int) -> None:
        self.place = place
        super().__init__(message)


@dataclass
class Run:
    """A flow on its way.

    Args:
        place: which of the flows that are solved together it is, from 0 on.
        name: what messages begin with.
        wanted: times at which the solution is wanted, increasing.
        tolerance: of the error estimate of a step.
        most_steps: after which the flow is given up.
        risk: R at the present time.
        ordered: whether its atoms lie on a line in increasing order, which an exact flow keeps.
        reached: number of times wanted that were passed.
        time: present time.
        size: of the next step; 0 where none is known.
        error_before: error estimate of the last accepted step, over tolerance.
        steps: accepted steps.
        rejected: rejected steps, those included that were shortened to an event.
        calls: evaluations of the velocity.
        event: where the step that is tried next ends at a sticky origin, if it does.
        free: whether a sticky origin has just let its atoms go: the next step holds none.
        dissipated: integral of the dissipation up to the present time.
    """

    place: int
    name: str
    wanted: list[float]
    tolerance: float
    most_steps: int
    risk: float
    ordered: bool
    reached: int = 0
    time: float = 0.0
    size: float = 0.0
    error_before: float = 1e-4
    steps: int = 0
    rejected: int = 0
    calls: int = 0
    event: Event | None = None
    free: bool = False
    dissipated: float = 0.0

    @property
    def done(self) -> bool:
        """Whether all times were passed."""
        return self.reached == len(self.wanted)

    def next_part(self) -> float | None:
        """Return the part of the step at which the next time wanted lies, or None beyond it."""
        if self.done or self.wanted[self.reached] > self.time + self.size:
            return None
        return (self.wanted[self.reached] - self.time) / self.size

    def accepts(self, seen: Seen, first_event: Callable[[], tuple[Event | None, int]]) -> bool:
        """Return whether a step that was tried is taken; if not, shorten the next.

        Args:
            seen: what was seen of it.
            first_event: returns where it must end since a sticky origin catches or releases atoms
                there, and how many evaluations of the velocity that took.

        Raises:
            FlowError: the step or the number of steps runs out, or the step is accurate but the
                risk rises or atoms change places by more than the tolerance explains.
        """
        if self.steps + self.rejected >= self.most_steps:
            raise self.error(
                f"the flow reached t = {self.time:.6g} of {self.wanted[-1]:.6g} in "
                f"{self.most_steps} steps; shorten time.horizon or raise dd.tolerance"
            )
        if not seen.error <= 1:
            self._shrink(seen.error)
            return False
        if self.event is None:
            self.event, calls = first_event()
            self.calls += calls
            if self.event is not None:
                self.rejected += 1
                self.size *= self.event.part
                return False
        self._check(seen)
        return True

    def advance(self, seen: Seen, dissipated: float) -> None:
        """Go to the end of a step, over which some risk was dissipated, and choose the next."""
        growth = _SAFETY * max(seen.error, 1e-10) ** -_PROPORTIONAL * self.error_before**_INTEGRAL
        self.error_before = max(seen.error, 1e-4)
        self.steps += 1
        self.risk = seen.risk
        self.dissipated += dissipated
        self.time += self.size
        self.size *= min(_LARGEST_GROWTH, max(_LARGEST_SHRINK, growth))
        self.free, self.event = self.event is not None and self.event.landed is None, None

    def error(self, text: str) -> FlowError:
        """Return an error that says which flow it is."""
        return FlowError(self.name + text, self.place)

    def _shrink(self, error: float) -> None:
        self.rejected, self.event = self.rejected + 1, None
        shrink = _SAFETY * error**-_PROPORTIONAL if math.isfinite(error) else 0.0
        self.size *= max(_LARGEST_SHRINK, shrink)
        if self.size <= 16 * math.ulp(self.time):
            raise self.error(
                f"the step of the flow fell to {self.size:.3g} at t = {self.time:.6g} (error "
                f"estimate {error:.3g}): the velocity is not finite or jumps there"
            )

    def _check(self, seen: Seen) -> None:
        """Raise if the risk rose, or atoms on a line changed places.

        The exact flow never lets the risk rise, whatever the measure; atoms that meet may touch to
        tolerance.
        """
        where = (
            f"in the step from t = {self.time:.6g} to {self.time + self.size:.6g}; lower "
            f"dd.tolerance (now {self.tolerance:g})"
        )
        if not seen.risk <= self.risk + max(self.tolerance, 1e-12) * max(1.0, self.risk):
            raise self.error(f"the risk rose from {self.risk:.12g} to {seen.risk:.12g} {where}")
        if self.ordered and seen.gap < -10 * self.tolerance * (1 + seen.largest):
            raise self.error(f"two particles changed places by {-seen.gap:.3g} {where}")
