"""The film's data: densities that integrate to 1, the stills among the frames, the inner mass."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import xarray as xr

from meanfield.figures import use_style
from meanfield.radial_film import describe_film, draw_strip, film_data, film_frames, film_table

TIMES = np.round(np.linspace(0, 1, 21), 2)
SETTINGS: dict[str, Any] = {
    "stills": [0.0, 0.35, 1.0],
    "frames": 6,
    "bins": 30,
    "inner_radius": 0.1,
}


def selected() -> dict[str, xr.Dataset]:
    """Return two seeds of 300 neurons whose norms grow, but for a tenth of them near 0."""
    rng = np.random.default_rng(0)
    edges = np.linspace(0, 4, 401)
    centres = 0.5 * (edges[1:] + edges[:-1])
    radii = 1 + 2 * TIMES[:, np.newaxis] + 0.2 * rng.normal(size=(2, 21, 300))
    radii[:, :, :30] = 0.05
    density = np.exp(-0.5 * ((centres - 1 - 2 * TIMES[:, np.newaxis]) / 0.2) ** 2)
    atoms = np.stack([np.full(21, 0.05), 1 + 2 * TIMES], axis=1)
    coords = {"time": TIMES, "invariant": ["r"]}
    sgd = xr.Dataset(
        {
            "omega": (("seed", "time", "neuron", "invariant"), radii[..., np.newaxis]),
            "reduced_risk": (("seed", "time"), np.tile(1 - 0.5 * TIMES, (2, 1))),
            "fluctuation": (("seed", "time"), np.full((2, 21), 0.1)),
            "risk": (("seed", "time"), np.full((2, 21), 9.0)),
        },
        coords={**coords, "seed": [1, 2]},
    )
    dd = xr.Dataset(
        {
            "omega": (("time", "atom", "invariant"), atoms[..., np.newaxis]),
            "mass": ("atom", [0.1, 0.9]),
            "density": (("time", "radius"), 0.9 * density / density.sum(1, keepdims=True) / 0.01),
            "risk": ("time", 1 - 0.5 * TIMES),
        },
        coords={**coords, "radius": centres},
    )
    return {"sgd": sgd, "dd": dd}


def test_frames_are_spread_over_the_times_and_hold_the_stills() -> None:
    film = film_data(selected(), SETTINGS)
    times = [frame.time for frame in film.frames]
    assert times == sorted(set(times))
    assert {0.0, 0.35, 1.0} <= set(times)
    assert 6 <= len(times) <= 9
    width = np.diff(film.edges)
    for frame in film.frames:
        assert frame.heights @ width == pytest.approx(1)
        assert frame.inner == pytest.approx((0.1, 0.1))
        # The bars of the tenth that stays behind do not set the scale.
        assert frame.peak < 3
    np.testing.assert_allclose(film.risks["SGD"], 1.1 - 0.5 * film.risks["t"])
    np.testing.assert_allclose(film.risks["DD"], 1 - 0.5 * film.risks["t"])


def test_the_film_moves_and_the_words_have_its_numbers() -> None:
    use_style()
    film = film_data(selected(), SETTINGS)
    pictures = film_frames(film, "law.delta = 0.5")
    assert len(pictures) == len(film.frames)
    assert all((one != two).any() for one, two in pairwise(pictures))
    words = describe_film("A film", film, SETTINGS["stills"], 2)
    for number in ("t = 0 to 1", "0, 0.35, 1", "1.100", "0.600", "0.500", "10.0 %"):
        assert number in words
    table = film_table(film)
    assert set(table["t"]) == {frame.time for frame in film.frames}
    strip = draw_strip(film, SETTINGS["stills"], "law.delta = 0.5")
    titles = [axes.get_title() for axes in strip.axes]
    assert titles == ["$t = 0.00$", "$t = 0.35$", "$t = 1.00$"]
