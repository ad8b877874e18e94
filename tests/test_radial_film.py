"""The film's data and drawings: densities that integrate to 1, atoms, stills among the frames."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.special import ndtri

from meanfield.figures import use_style
from meanfield.film_data import SMOOTHED, film_data, film_table
from meanfield.radial_film import HEADROOM, LawPanel, describe_film, draw_strip, film_frames

TIMES = np.round(np.linspace(0, 1, 21), 2)
SETTINGS: dict[str, Any] = {
    "stills": [0.0, 0.35, 1.0],
    "frames": 6,
    "bins": 30,
    "inner_radius": 0.1,
}


def selected(held: float = 0.05) -> dict[str, xr.Dataset]:
    """Return two seeds of 300 neurons whose norms grow, but for a tenth of the limit's at `held`.

    A tenth of SGD's neurons are at 0.05.
    """
    rng = np.random.default_rng(0)
    radii = 1 + 2 * TIMES[:, np.newaxis] + 0.1 * rng.normal(size=(2, 21, 300))
    radii[:, :, :30] = 0.05
    levels = (np.arange(200) + 0.5) / 200
    atoms = 1 + 2 * TIMES[:, np.newaxis] + 0.1 * ndtri(np.maximum(levels - 0.1, 0.001) / 0.9)
    atoms[:, :20] = held
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
            "mass": ("atom", np.full(200, 1 / 200)),
            "level": ("atom", levels),
            "risk": ("time", 1 - 0.5 * TIMES),
        },
        coords=coords,
    )
    return {"sgd": sgd, "dd": dd}


def test_frames_are_spread_over_the_times_and_hold_the_stills() -> None:
    film = film_data(selected(), SETTINGS)
    times = [frame.time for frame in film.frames]
    assert times == sorted(set(times))
    assert {0.0, 0.35, 1.0} <= set(times)
    assert 6 <= len(times) <= 9
    for frame in film.frames:
        assert frame.heights @ np.diff(frame.edges) == pytest.approx(1)
        assert frame.density @ np.diff(frame.cells) == pytest.approx(1)
        assert frame.inner == pytest.approx((0.1, 0.1), abs=1 / 200)
        assert frame.atom == 0
        # The bars of the tenth that stays behind do not set the scale, a normal law of 90 % does.
        assert frame.peak == pytest.approx(0.9 / (0.1 * np.sqrt(2 * np.pi)), rel=0.4)
    np.testing.assert_allclose(film.risks["SGD"], 1.1 - 0.5 * film.risks["t"])
    np.testing.assert_allclose(film.risks["DD"], 1 - 0.5 * film.risks["t"])


def test_an_atom_at_zero_is_a_stem_and_no_density() -> None:
    use_style()
    film = film_data(selected(held=0.0), SETTINGS | {"inner_radius": None})
    for frame in film.frames:
        assert frame.atom == pytest.approx(0.1)
        # All but half the step between two levels, in which the quantile function leaves 0.
        assert frame.density @ np.diff(frame.cells) == pytest.approx(0.9, abs=1 / 200)
        assert frame.extent[0] == 0
    rows = film_table(film)
    assert set(rows.loc[rows["series"] == "DD, mass at r = 0", "y"]) == {film.frames[0].atom}
    panel = LawPanel(draw_strip(film, [0.0], "", zoom=True).axes[0], film)
    panel.show(film.frames[-1], "1", 1.0)
    assert panel.stem.get_xydata() == pytest.approx(np.array([[0, 0], [0, 0.1 / HEADROOM]]))
    assert panel.stem.get_visible()
    assert "10.0 %" in panel.words.get_text()
    words = describe_film("A film", film, [0.0], 2)
    assert "10.0 % of the limit's mass is at a norm of 0" in words
    largest = selected()["sgd"].omega.isel(time=-1).max().item()
    assert f"the norms of SGD's neurons are between 0.05 and {largest:.3g}" in words


def test_bins_follow_a_law_that_is_narrow() -> None:
    groups = selected()
    groups["sgd"]["omega"] = 1 + 0.001 * groups["sgd"].omega
    film = film_data(groups, SETTINGS | {"inner_radius": None})
    for frame in film.frames:
        norms = groups["sgd"].omega.sel(time=frame.time).values
        assert np.count_nonzero(frame.heights) >= 3
        assert frame.edges[0] < norms.min() < norms.max() < frame.edges[-1]
        assert frame.edges[-1] - frame.edges[0] < 1.1 * (norms.max() - norms.min())


def test_no_bar_leaves_the_panel_and_the_scale_moves_smoothly() -> None:
    """For three frames the law is a hundred times narrower."""
    groups = selected()
    narrow = np.isin(np.arange(len(TIMES)), [0, 10, 11])[:, np.newaxis, np.newaxis]
    groups["sgd"]["omega"] = groups["sgd"].omega.where(~narrow, 1 + 0.01 * groups["sgd"].omega)
    frames = film_data(groups, SETTINGS | {"frames": len(TIMES), "inner_radius": None}).frames
    peaks, scales = (np.log([getattr(each, name) for each in frames]) for name in ("peak", "scale"))
    assert np.max(np.abs(np.diff(peaks))) > 2
    assert np.all(peaks < scales + 1e-12)
    assert np.all(np.abs(np.diff(scales)) < np.ptp(peaks) / SMOOTHED + 1e-12)


def test_the_film_moves_and_the_words_have_its_numbers() -> None:
    use_style()
    film = film_data(selected(), SETTINGS)
    pictures = film_frames(film, "Δ = 0.5")
    assert len(pictures) == len(film.frames)
    assert all((one != two).any() for one, two in pairwise(pictures))
    words = describe_film("A film", film, SETTINGS["stills"], 2)
    for number in ("t = 0 to 1", "0, 0.35, 1", "1.100", "0.600", "0.500", "10.0 %"):
        assert number in words
    table = film_table(film)
    assert set(table["t"]) == {frame.time for frame in film.frames}


@pytest.mark.parametrize("zoom", [False, True])
def test_stills_share_a_scale_of_radii_or_say_that_they_do_not(zoom: bool) -> None:
    use_style()
    film = film_data(selected(), SETTINGS)
    strip = draw_strip(film, SETTINGS["stills"], "Δ = 0.5", zoom=zoom)
    assert [axes.get_title() for axes in strip.axes] == ["$t = 0$", "$t = 0.35$", "$t = 1$"]
    scales = {axes.get_xlim() for axes in strip.axes}
    assert len(scales) == (3 if zoom else 1)
    assert ("its own scales" in strip.get_suptitle()) == zoom
