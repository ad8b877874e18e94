"""Functions that exist for NumPy alone, applied to arrays of any namespace."""

from collections.abc import Callable
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_numpy_array, to_device


def on_host(function: Callable[..., Any], *arrays: Any) -> Any:
    """Apply a function of NumPy arrays, and bring back what it returns: an array or several."""
    if all(is_numpy_array(array) for array in arrays):
        return function(*arrays)
    xp = array_namespace(*arrays)
    found = function(*(np.asarray(to_device(array, "cpu")) for array in arrays))
    return tuple(map(xp.asarray, found)) if isinstance(found, tuple) else xp.asarray(found)
