"""Functions that exist for NumPy alone, applied to arrays of any namespace."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array, to_device
from numpy.typing import NDArray

LOG = logging.getLogger("meanfield")


def on_host(what: str, function: Callable[..., Any], *arrays: Any) -> Any:
    """Apply a function of NumPy arrays, and bring back what it returns: an array or several.

    What comes back lies on the device of the first array. To go to the host and back takes long,
    so the log says, once, that it is done.

    Args:
        what: the function in words.
        function: the function.
        arrays: of one namespace, and on one device.
    """
    if all(is_numpy_array(array) for array in arrays):
        return function(*arrays)
    _say(what)
    xp, where = array_namespace(*arrays), device(arrays[0])
    found = function(*(to_host(array) for array in arrays))
    if isinstance(found, tuple):
        return tuple(xp.asarray(part, device=where) for part in found)
    return xp.asarray(found, device=where)


@cache
def _say(what: str) -> None:
    LOG.info("on the CPU, as there is no version for a GPU: %s", what)


def to_host(array: Any) -> NDArray[Any]:
    """Return an array of any namespace in NumPy."""
    try:
        return np.asarray(array)
    except (TypeError, RuntimeError):  # those of a device are not copied unless asked for
        return np.asarray(to_device(array, "cpu"))
