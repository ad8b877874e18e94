"""One step of the distributional dynamics of several measures at once, each of a size of its own.

Arrays have a leading axis (P,): that of the flows. What the host must know of a step, to accept it
or not and to choose the next, comes to it in one small array, since to read from a GPU takes about
as long as a stage of a step. A sticky origin makes the host read more: to find an event within
a step, at each round of output times whether atoms lie below 0, and for each flow that has some
what they seem to dissipate there.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_numpy_array

from meanfield.dormand_prince import ERROR, NODES, STAGES, Step
from meanfield.flow_attempt import Attempt, Summary, see
from meanfield.functionals import dissipated, field, moving
from meanfield.host import to_host
from meanfield.stack import Stack
from meanfield.sticky_origin import HEAVY, Event, arrival, overshoot, release


class Stepper:
    """Steps of the Runge-Kutta pair.

    Args:
        stack: the problems.
        mass: masses of the atoms, shape (P, J).
        tolerance: of the error estimate.
    """

    def __init__(self, stack: Stack, mass: Any, tolerance: float) -> None:
        self.stack, self.mass, self.tolerance = stack, mass, tolerance
        self.xp = array_namespace(mass)
        # Rows (1, n) of the tableau.
        *self.stages, self.error = (
            self.xp.asarray([row], dtype=mass.dtype) for row in (*STAGES, ERROR)
        )
        self.on_host = is_numpy_array(mass)
        self.sticky = stack.problems[0].sticky_origin
        # Freeing one large block raises glibc's threshold for giving the heap's end back; else it
        # returns the temporaries of every right-hand side and faults them in again (4 x slower).
        np.empty(2**20)

    def take(self, rows: Sequence[int]) -> "Stepper":
        """Return the stepper of some of the flows."""
        return Stepper(self.stack.take(rows), self.rows(self.mass, rows), self.tolerance)

    def rows(self, array: Any, rows: Sequence[int]) -> Any:
        """Return some rows of an array."""
        return self.xp.take(array, self.xp.asarray(list(rows)), axis=0)

    def column(self, values: Sequence[Any]) -> Any:
        """Return one value for each flow as an array that broadcasts over atoms (P, J, k)."""
        kind = self.mass.dtype if isinstance(values[0], float) else None
        return self.xp.asarray(list(values), dtype=kind)[:, None, None]

    def on_domain(self, omega: Any) -> Any:
        """Return the atoms with those that crossed a sticky origin put back on it."""
        return self.xp.maximum(omega, 0.0) if self.sticky else omega

    def held(self, omega: Any, velocity: Any, free: Sequence[bool]) -> Any:
        """Return which atoms (P, J, 1) a sticky origin holds; None if the origin is not sticky.

        Args:
            omega: the atoms.
            velocity: their velocity.
            free: of which flows it holds none, whatever their velocity.
        """
        if not self.sticky:
            return None
        held = (omega <= 0) & (velocity < 0)
        return held & ~self.column(free) if any(free) else held

    def summarize(self, omega: Any) -> tuple[Any, list[Summary]]:
        """Return the velocity at omega and, for each flow, risk and dissipation there."""
        risk, velocity = self._field(omega)
        lost = dissipated(self.mass, moving(self.stack.problems[0], omega, velocity))
        return velocity, [Summary(*row) for row in self._read(risk, lost)]

    def gaps(self, omega: Any) -> list[float]:
        """Return the least gap between neighbors on a line; inf where there is no line or none."""
        if omega.shape[1] == 1 or omega.shape[2] > 1:
            return [np.inf] * omega.shape[0]
        return [gap for (gap,) in self._read(self._least_gap(omega))]

    def first_steps(self, omega: Any, velocity: Any, held: Any) -> list[float]:
        """Return steps over which omega and its velocity change little (Hairer's choice)."""
        start = self._moving(velocity, held)
        norms = self._read(self._norm(omega, omega), self._norm(start, omega))
        trials = [0.01 * size / speed if min(size, speed) > 1e-5 else 1e-6 for size, speed in norms]
        trial = self.column(trials)
        later = self._moving(self._field(omega + trial * start)[1], held)
        bends = self._read(self._norm((later - start) / trial, omega))
        steps = []
        for step, (_, speed), (bend,) in zip(trials, norms, bends, strict=True):
            largest = max(speed, bend)
            safe = (0.01 / largest) ** 0.2 if largest > 1e-15 else max(1e-6, step * 1e-3)
            steps.append(min(100 * step, safe) if math.isfinite(bend) else step)
        return steps

    def attempt(
        self, omega: Any, velocity: Any, risks: Sequence[float], sizes: Sequence[float], held: Any
    ) -> Attempt:
        """Try steps from omega.

        Args:
            omega: the atoms, (P, J, k).
            velocity: the velocity there.
            risks: the risk there, of each flow.
            sizes: of the steps.
            held: which atoms a sticky origin holds.
        """
        xp, size, outward = self.xp, self.column(sizes), []
        shape, flat = omega.shape, (omega.shape[0], omega.shape[1] * omega.shape[2])
        # All stages in one array: a combination of them is then a product of matrices.
        stages = xp.empty((shape[0], len(NODES), flat[1]), dtype=omega.dtype)
        stages[:, 0, :] = xp.reshape(self._moving(velocity, held), flat)
        for number, row in enumerate(self.stages, start=1):
            end = omega + size * xp.reshape(row @ stages[:, :number, :], shape)
            risk, after = self._field(end)
            stages[:, number, :] = xp.reshape(self._moving(after, held), flat)
            if held is not None:
                outward.append(xp.max(xp.where(held, after, -xp.inf), axis=(1, 2)))
        change = size * xp.reshape(self.error @ stages, shape)
        stages = xp.reshape(stages, (shape[0], len(NODES), *shape[1:]))
        path = Step(omega, end, [stages[:, i, ...] for i in range(len(NODES))], size)
        rates = dissipated(self.mass[:, None, :], stages)
        columns = {"error": self._norm(change, xp.maximum(xp.abs(omega), xp.abs(end)))}
        columns |= {"risk": risk, **self._landmarks(path)}
        numbers = xp.stack([*columns.values(), *outward], axis=-1)
        table = to_host(xp.concat([rates, numbers], axis=-1))
        seen = [
            see(columns, row, here, size, self.tolerance)
            for row, here, size in zip(table.tolist(), risks, sizes, strict=True)
        ]
        return Attempt(path, after, seen)

    def first_event(self, tried: Attempt, row: int, held: Any) -> tuple[Event | None, int]:
        """Return where a sticky origin catches or releases atoms of a flow within a step, if so.

        The step must end there. Also returned are the evaluations of the velocity that it took.
        """
        seen, calls = tried.seen[row], 0
        if not (seen.arrived or seen.outward):
            return None, calls
        path, mass = tried.path.of(row), self.mass[row, :]

        def outward(part: float) -> float:
            nonlocal calls
            calls += 1
            omega = self.on_domain(path.at(part))
            speed = field(self.stack.problems[row], omega, mass).velocity
            return float(self.xp.max(speed[held[row, ...]]))

        found = [arrival(path, mass), release(outward, seen.outward)]
        first = min(
            (each for each in found if each is not None), key=lambda e: e.part, default=None
        )
        return first, calls

    def below(self, omega: Any) -> list[bool]:
        """Return which flows have an atom below a sticky origin."""
        if not self.sticky:
            return [False] * omega.shape[0]
        return [least < 0 for (least,) in self._read(self.xp.min(omega, axis=(1, 2)))]

    def dissipated(self, tried: Attempt, row: int, part: float, *, below: bool) -> float:
        """Return the risk that a flow lost over the first part of a step.

        Args:
            tried: the step.
            row: the flow.
            part: the part.
            below: whether an atom is below a sticky origin there.
        """
        total = float(tried.seen[row].spent.at(part))
        if below:
            total -= overshoot(tried.path.of(row), self.mass[row, :], part)
        return total

    def _landmarks(self, path: Step) -> dict[str, Any]:
        """Return what tells whether the atoms kept their order, and met a sticky origin."""
        xp, end, found = self.xp, path.end, {}
        if end.shape[2] == 1 and end.shape[1] > 1:
            found["gap"] = self._least_gap(self.on_domain(end))
            found["largest"] = xp.max(xp.abs(end), axis=(1, 2))
        if self.sticky:
            arrived = (end < 0) & (path.start > 0) & (self.mass[..., None] >= HEAVY)
            found["least"] = xp.min(end, axis=(1, 2))
            found["arrived"] = xp.astype(xp.any(arrived, axis=(1, 2)), end.dtype)
        return found

    def _field(self, omega: Any) -> tuple[Any, Any]:
        """Return the risk (P,) and the velocity, NaN for atoms that are not finite.

        The step was then far too long: its error is NaN, and it is rejected.
        """
        xp, known = self.xp, self.xp.isfinite(omega)
        # A GPU is not asked whether all are: to wait for its answer takes longer.
        if self.on_host and known.all():
            found = self.stack.field(self.on_domain(omega), self.mass)
            return found.risk, found.velocity
        found = self.stack.field(self.on_domain(xp.where(known, omega, 0.0)), self.mass)
        return found.risk, xp.where(known, found.velocity, xp.nan)

    def _moving(self, velocity: Any, held: Any) -> Any:
        """Return the velocities at which atoms move: held ones do not."""
        return velocity if held is None else self.xp.where(held, 0.0, velocity)

    def _norm(self, change: Any, omega: Any) -> Any:
        """Return the largest change over all atoms, in units of tolerance (1 + |omega|), (P,).

        A norm weighted by mass would let the atoms of the tails, which carry almost none, drift
        and change places; but omega must stay a quantile function at every level.
        """
        xp = self.xp
        return xp.max(xp.abs(change) / (1 + xp.abs(omega)), axis=(1, 2)) / self.tolerance

    def _least_gap(self, omega: Any) -> Any:
        return self.xp.min(omega[:, 1:, 0] - omega[:, :-1, 0], axis=1)

    def _read(self, *columns: Any) -> list[list[float]]:
        """Return arrays (P,) as one row of numbers for each flow."""
        rows: list[list[float]] = to_host(self.xp.stack(columns, axis=-1)).tolist()
        return rows
