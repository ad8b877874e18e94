"""The embedded Runge-Kutta pair of Dormand and Prince (1980): order 5, error estimate, interpolant.

Source: Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, II.5 and II.6
(DOPRI5).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

# Row i holds the coefficients of stage i + 2; the last row gives the new point itself, so that its
# velocity is the first stage of the next step.
STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
"""Parts of the step at which the stages stand."""

ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
_DENSE = (
    -12715105075 / 11282082432,
    0.0,
    87487479700 / 32700410799,
    -10690763975 / 1880347072,
    701980252875 / 199316789632,
    -1453857185 / 822651844,
    69997945 / 29380423,
)


def combine(row: Sequence[float], stages: Sequence[Any]) -> Any:
    """Return the linear combination of stages with the coefficients of a row."""
    total = row[0] * stages[0]
    for coefficient, stage in zip(row[1:], stages[1:], strict=False):
        if coefficient != 0:
            total = total + coefficient * stage
    return total


class Step(NamedTuple):
    """A step, known inside by its interpolant.

    Args:
        start: the solution before it.
        end: the solution after it.
        stages: its derivatives at the seven stages.
        size: length; or lengths, of a shape that fits that of the solution.
    """

    start: Any
    end: Any
    stages: Sequence[Any]
    size: Any

    def at(self, part: Any) -> Any:
        """Return the solution at start + part * size, to order 4.

        Args:
            part: part of the step, in [0, 1]; or parts, of a shape that fits that of the solution.
        """
        change, first, last, rest = self._bends()
        bend = first + part * (last + (1 - part) * rest)
        return self.start + part * (change + (1 - part) * bend)

    def slope(self, part: Any) -> Any:
        """Return the derivative of the interpolant in time: the same argument."""
        change, first, last, rest = self._bends()
        other = 1 - part
        bend = first * (other - part) + last * part * (2 * other - part)
        return (change + bend + rest * 2 * part * other * (other - part)) / self.size

    def rows(self, chosen: Any) -> "Step":
        """Return the step of some rows of a solution that has one size."""
        return Step(
            self.start[chosen], self.end[chosen], [k[chosen] for k in self.stages], self.size
        )

    def of(self, row: int) -> "Step":
        """Return one of several steps, of a solution (P, J, k) with sizes (P, 1, 1)."""
        return self.rows((row, ...))._replace(size=self.size[row, 0, 0])

    def _bends(self) -> tuple[Any, Any, Any, Any]:
        change = self.end - self.start
        first = self.size * self.stages[0] - change
        last = change - self.size * self.stages[-1] - first
        return change, first, last, self.size * combine(_DENSE, self.stages)
