"""What is left of a neuron's parameters under the symmetries of a data law."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meanfield.laws import AnisotropicGaussians, GaussianTeacher
from meanfield.neurons import Neuron, Ridge

Floats = NDArray[np.float64]

_CHUNK = 1_000_000
"""Parameters converted to float64 at once."""


def _weight_invariants(law: Any, w: Floats) -> dict[str, Floats]:
    """Return the invariants of weights (..., N, d), each (..., N), by name."""
    if isinstance(law, AnisotropicGaussians):
        s = law.informative
        return {
            "r1": np.linalg.norm(w[..., :s], axis=-1),
            "r2": np.linalg.norm(w[..., s:], axis=-1),
        }
    if isinstance(law, GaussianTeacher):
        m = len(law.coefficients)
        along = {f"w{j + 1}": w[..., j] for j in range(m)}
        return along | {"r": np.linalg.norm(w[..., m:], axis=-1)}
    # Invariant under rotations; for a law without symmetry the norm is a summary.
    return {"r": np.linalg.norm(w, axis=-1)}


def named_invariants(law: Any, neuron: Neuron, theta: NDArray[Any]) -> Mapping[str, Floats]:
    """Return the invariants omega of neurons, by name.

    Ridge neurons have those of their weights, perceptrons (a, b) before them. Of the weights,
    isotropic Gaussians leave r = |w|; anisotropic ones r1 and r2, the norms inside and outside of
    the informative subspace; a teacher of m directions leaves the components w1 ... wm along them
    and the norm r of the rest. Laws without symmetry are summarized by r.

    Args:
        law: the data law.
        neuron: sigma_*.
        theta: parameters, shape (..., N, D).

    Returns:
        Name -> values in float64, shape (..., N).
    """
    values = np.asarray(theta, dtype=np.float64)
    if isinstance(neuron, Ridge):
        return _weight_invariants(law, values)
    return {"a": values[..., 0], "b": values[..., 1]} | _weight_invariants(law, values[..., 2:])


def invariants(law: Any, neuron: Neuron, theta: NDArray[Any]) -> Floats:
    """Return the invariants as one array, shape (..., N, k), in the order of their names.

    Some neurons at a time: a large network in float32 has no room for itself in float64.
    """
    rows = theta.reshape(-1, theta.shape[-1])
    omega = np.empty((len(rows), len(invariant_names(law, neuron))))
    length = max(1, _CHUNK // rows.shape[1])
    for start in range(0, len(rows), length):
        values = named_invariants(law, neuron, rows[start : start + length]).values()
        omega[start : start + length] = np.stack(list(values), axis=-1)
    return omega.reshape(*theta.shape[:-1], -1)


def invariant_names(law: Any, neuron: Neuron) -> tuple[str, ...]:
    """Return the names of the k invariants."""
    example = np.zeros((1, neuron.parameters(law.dimension)))
    return tuple(named_invariants(law, neuron, example))
