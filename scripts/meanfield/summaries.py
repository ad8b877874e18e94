"""What the aggregate and the figures ask of stored runs."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

ABSOLUTE_OFFSET = "|b|"
"""Label of |b| among the invariants: where neurons with b and -b are both of use, its mean says
what that of b hides."""


ASSUMPTIONS = "assumptions"
"""Attribute of an aggregate that says which assumptions of the theorems its experiment meets."""

SYMBOLS = {
    "law.delta": "Δ",
    "law.dimension": "d",
    "law.informative": "s₀",
    "initial.scale": "κ",
    "sgd.neurons": "N",
    "sgd.step_size": "ε",
    "sgd.decay": "λ",
    "sgd.inverse_temperature": "β",
    "time.horizon": "T",
}
"""Symbols of settings, for headings: those that the settings themselves have."""


def with_absolute_offset(omega: xr.DataArray) -> xr.DataArray:
    """Return invariants with |b| after them where there is a b; else as they are."""
    if "b" not in omega.invariant.values:
        return omega
    size = abs(omega.sel(invariant=["b"])).assign_coords(invariant=[ABSOLUTE_OFFSET])
    return xr.concat([omega, size], dim="invariant")


def network_risk(sgd: xr.Dataset) -> xr.DataArray:
    """Return the risk R_N of SGD's networks by the less noisy of the two ways it is known.

    The sum of its parts where the law and the neuron have a reduction, else the mean over the test
    set, whose error is far larger.
    """
    parts = sgd.reduced_risk + sgd.fluctuation
    return parts.where(parts.notnull(), sgd.risk)


def width(sgd: xr.Dataset) -> int:
    """Return the number N of neurons of a point; others of the aggregate may be wider."""
    return int(np.isfinite(sgd.omega.isel(seed=0, time=0, invariant=0)).sum())


def groups_of(tree: xr.DataTree, point: str) -> dict[str, xr.Dataset]:
    """Return the groups of an aggregate that hold a point, at that point."""
    return {
        name: group.to_dataset().sel(point=point)
        for name, group in tree.children.items()
        if point in group.point.values
    }


def assumed(tree: xr.DataTree) -> str:
    """Return what an aggregate says of the assumptions of the theorems, as a sentence."""
    return f"Assumptions of the theorems: {tree.attrs[ASSUMPTIONS]}."


def swept_words(swept: Mapping[str, object]) -> str:
    """Return swept settings in words, by symbol where there is one, as in `Δ = 0.5, N = 80`."""
    return ", ".join(f"{SYMBOLS.get(key, key)} = {_plain(value)}" for key, value in swept.items())


def _plain(value: object) -> str:
    """Return a number as in `0.5` or `2e-6`, anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    mantissa, _, exponent = f"{value:g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa
