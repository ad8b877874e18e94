"""When two implementations of SGD in float32 and float64 count as the same."""

from typing import Any

import numpy as np
import numpy.typing as npt

AGREEMENT = 2e-4
"""Distance from the reference allowed to each neuron, as a share of the distance that SGD moved
the neurons (root mean square): rounding makes 1e-5 of it."""
MOST = 0.99
"""Share of neurons that must agree: a z within rounding of a knot may fall on either side."""


def disagreement(
    weights: npt.NDArray[Any], reference: npt.NDArray[Any], theta0: npt.NDArray[Any]
) -> float:
    """Return the MOST quantile over neurons of |w - w_ref|, over the rms of |w_ref - w_0|.

    Args:
        weights: what an implementation ended with, (N, d).
        reference: what it should be, (N, d).
        theta0: initial weights, (N, d).
    """
    error = np.linalg.norm(weights.astype(np.float64) - reference, axis=1)
    moved = np.sqrt(np.mean(np.sum((reference - theta0) ** 2, axis=1)))
    return float(np.quantile(error, MOST) / moved)
