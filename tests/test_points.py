"""Points: what each stage reads of them, and their ids."""

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meanfield.digests import settings_digest
from meanfield.experiment import Experiment
from meanfield.nested import merge
from meanfield.points import STAGE_READS, Point, point_id, stage_settings
from settings_project import EXPERIMENT

PLAIN = yaml.safe_load(EXPERIMENT)


def points(sweep: dict[str, list[Any]]) -> list[Point]:
    """Return the points of the experiment with a sweep over one key after another."""
    swept: list[tuple[dict[str, Any], dict[str, Any]]] = [(PLAIN, {})]
    for key, values in sweep.items():
        section, _, last = key.rpartition(".")
        swept = [
            (merge(raw, {section: {last: value}}), {**chosen, key: value})
            for raw, chosen in swept
            for value in values
        ]
    return [Point("one", Experiment.model_validate(raw), chosen, (1,)) for raw, chosen in swept]


def test_equal_last_parts_are_told_apart() -> None:
    point = points({"law.kind": ["isotropic_gaussians"], "initial.kind": ["gaussian"]})[0]
    expected = "law.kind-isotropic_gaussians_initial.kind-gaussian"
    assert point_id(point, "solve_dd") == expected


def test_no_sweep_is_the_base() -> None:
    assert {point_id(points({})[0], stage) for stage in STAGE_READS} == {"base"}


def test_a_stage_gets_what_it_reads_and_no_more() -> None:
    point = points({})[0]
    data = stage_settings(point, "generate_data")
    assert set(data) == {"law", "initial", "sgd", "seeds"}
    assert set(data["sgd"]) == {"neurons", "precision", "test_samples"}
    run = stage_settings(point, "run_sgd")
    assert set(run) == {"law", "neuron", "initial", "time", "sgd", "seeds"}
    limit = stage_settings(point, "solve_dd")
    assert set(limit) == {"law", "neuron", "initial", "time", "sgd", "dd"}
    assert set(limit["sgd"]) == {"schedule"}
    assert limit["time"]["snapshots"] == [0.0, 0.1, 10.0]
    with pytest.raises(ValueError, match="expected one of generate_data, run_sgd"):
        stage_settings(point, "run_dgs")


def test_a_stage_reads_what_the_stages_before_it_read() -> None:
    point = points({})[0]
    run = stage_settings(point, "run_sgd")
    assert merge(run, stage_settings(point, "generate_data")) == run


SWEEPS = st.fixed_dictionaries(
    {},
    optional={
        "law.dimension": st.lists(st.integers(2, 50), min_size=1, max_size=2, unique=True),
        "law.delta": st.lists(
            st.floats(0, 0.99, allow_subnormal=False), min_size=1, max_size=3, unique=True
        ),
        "initial.scale": st.lists(st.floats(1e-300, 1e6), min_size=1, max_size=2, unique=True),
        "time.snapshots": st.just([[0.0, 1.0], [0.0, 2.0]]),
        "sgd.neurons": st.lists(st.integers(1, 10**9), min_size=1, max_size=2, unique=True),
        "sgd.precision": st.just(["float32", "float64"]),
        "dd.nodes": st.lists(st.integers(1, 99), min_size=1, max_size=2, unique=True),
    },
)


@given(SWEEPS)
def test_ids_tell_points_apart_exactly_where_the_stage_does(sweep: dict[str, list[Any]]) -> None:
    for stage in STAGE_READS:
        pairs = {
            (point_id(point, stage), settings_digest(stage_settings(point, stage)))
            for point in points(sweep)
        }
        ids, digests = zip(*pairs, strict=True)
        assert len(set(ids)) == len(set(digests)) == len(pairs)
        assert all(re.fullmatch(r"[A-Za-z0-9.+_-]+", name) for name in ids)


def test_a_list_of_deltas_is_shared_by_a_sweep_over_delta() -> None:
    """The list takes the place of the law's own: one job, and its id has no delta."""
    deltas = {"start": 0.0, "stop": 0.9, "count": 3}
    both = points({"law.delta": [0.2, 0.5], "statics.deltas": [deltas]})
    assert len({point_id(point, "minimize_risk") for point in both}) == 1
    assert len({settings_digest(stage_settings(point, "minimize_risk")) for point in both}) == 1
    assert len({point_id(point, "solve_dd") for point in both}) == 2
    assert "delta" not in stage_settings(both[0], "minimize_risk")["law"]
