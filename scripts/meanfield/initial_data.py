"""What SGD of a point starts from: the initial weights of every seed, and the test set."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from meanfield.initial import make_initial
from meanfield.laws import Law
from meanfield.random import TEST_SAMPLE
from meanfield.sampling import Samples, sample

TEST_SEED = 0
"""Key of the test set: its streams are its own, so no seed of a run shares its numbers."""


def draw_weights(settings: Mapping[str, Any], law: Law, seed: int) -> npt.NDArray[np.float64]:
    """Return the initial parameters of a seed, float64 (N, D).

    Args:
        settings: of the point; ``initial`` and ``sgd.neurons`` count.
        law: its data law.
        seed: key of the random numbers.
    """
    initial = make_initial(settings["initial"])
    return initial.draw(seed, settings["sgd"]["neurons"], law.dimension)


def draw_test_set(settings: Mapping[str, Any], law: Law) -> Samples:
    """Return the test set: one for all seeds, so that these differ by their networks alone.

    Args:
        settings: of the point; ``sgd.test_samples`` counts.
        law: its data law.
    """
    return sample(law, TEST_SEED, 0, settings["sgd"]["test_samples"], TEST_SAMPLE)
