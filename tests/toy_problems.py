"""Problems with known flows, over any array namespace and any leading axes."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from array_api_compat import array_namespace


@dataclass(frozen=True, eq=False)
class Linear:
    """phi(omega) = omega, y = 1: one atom obeys d omega / d tau = 2 (1 - omega).

    The gradients are `sign` times the true ones.
    """

    labels: Any = field(default_factory=lambda: np.ones(1))
    weights: Any = field(default_factory=lambda: np.ones(1))
    sign: Any = field(default_factory=lambda: np.ones(1))
    invariant_names: tuple[str, ...] = ("r",)
    sticky_origin: bool = False

    def features(self, omega: Any) -> Any:
        return omega

    def features_and_gradients(self, omega: Any) -> tuple[Any, Any]:
        gradients = 0.0 * omega + self.sign[..., None, :]
        return omega, gradients[..., None]

    def features_at(self, omega: Any, s: Any) -> Any:
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Cone:
    """phi_1(r) = r, a cone, and phi_2(r) = r^2, with labels 1 and 0 of equal weight.

    v(r) = (1 - f_1) - 2 r f_2, so that v(0+) = 1 - f_1 with f_1 the mean radius.
    """

    labels: Any = field(default_factory=lambda: np.array([1.0, 0.0]))
    weights: Any = field(default_factory=lambda: np.array([0.5, 0.5]))
    invariant_names: tuple[str, ...] = ("r",)
    sticky_origin: bool = True

    def features(self, omega: Any) -> Any:
        return array_namespace(omega).concat([abs(omega), omega**2], axis=-1)

    def features_and_gradients(self, omega: Any) -> tuple[Any, Any]:
        xp = array_namespace(omega)
        sign = xp.where(omega < 0, -xp.ones_like(omega), xp.ones_like(omega))
        return self.features(omega), xp.concat([sign, 2 * omega], axis=-1)[..., None]

    def features_at(self, omega: Any, s: Any) -> Any:
        raise NotImplementedError
