"""The risk of a finite network and its parts, as they are estimated and stored."""

from typing import NamedTuple


class RiskEstimate(NamedTuple):
    """Population risk R_N of a network and its parts, R_N = reduced risk + fluctuation.

    Attributes:
        risk: mean of (y - yhat)^2 over the test set.
        risk_stderr: its standard error.
        reduced_risk: R of the empirical measure of the invariants, by quadrature.
        fluctuation: E Var(yhat | s, y), the part that only finite networks have.
        fluctuation_stderr: its standard error over the test set.
    """

    risk: float
    risk_stderr: float
    reduced_risk: float
    fluctuation: float
    fluctuation_stderr: float
