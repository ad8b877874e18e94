"""Cost of certified minima of the risk on one core, beside two plain SciPy routes.

    python benchmarks/statics.py              # 2 minutes

Out: benchmarks/results/statics.json, and a table.  Isotropic Gaussians in 40 dimensions, activation
A, 24 nodes a label.  `nnls` is non-negative least squares over a uniform grid in r / (1 + r), as
fine as it must be for the same gap; `slsqp` is sequential quadratic programming on places and
masses of four atoms from several random starts.  Both know no certificate: their gap is ours, of
their result, on a fine grid.  All are timed in turn.
"""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    # So that it runs from any folder; sgd.py's way to one thread sets the path as well.
    sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from benchmarks.sgd import RESULTS, start_with_one_thread  # noqa: E402

DELTAS = (0.2, 0.5, 0.8)
FIGURE_2 = np.linspace(0.0, 0.9, 181)
GAP = 1e-8
NODES = 24
STARTS = 8
Result = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Atoms (J, 1) and masses (J,)."""


def make(delta: float, nodes: int = NODES) -> Any:
    """Return the problem of Figure 2."""
    from meanfield.activations import PiecewiseLinear
    from meanfield.laws import IsotropicGaussians
    from meanfield.neurons import Ridge
    from meanfield.problem import make_problem

    neuron = Ridge(PiecewiseLinear((0.5, 1.5), (-2.5, 7.5)))
    return make_problem(IsotropicGaussians(40, delta), neuron, nodes)


def certified(delta: float) -> Result:
    """Minimise as the pipeline does, the problem's set-up included."""
    from meanfield.domain import make_domain
    from meanfield.search import on_grid
    from meanfield.statics_results import certified_minimum

    measure = certified_minimum(on_grid(make(delta), make_domain(("r",))), GAP).measure
    return measure.omega, measure.mass


def figure_2() -> None:
    """Everything that Figure 2 shows of the theory: minima and spheres at 181 values of Delta."""
    from meanfield.domain import make_domain
    from meanfield.point_mass import best_point
    from meanfield.search import on_grid
    from meanfield.statics_results import certified_minimum

    domain = make_domain(("r",))
    for delta in FIGURE_2:
        search = on_grid(make(float(delta)), domain)
        if certified_minimum(search, GAP).gap > GAP:
            raise RuntimeError(f"no certificate at Delta = {delta}")
        best_point(search)


def thresholds() -> None:
    """Lemma 1's interval and the limit of stability."""
    from meanfield.domain import make_domain
    from meanfield.point_mass import sphere_thresholds

    sphere_thresholds(make, make_domain(("r",)))


def by_nnls(points: int, delta: float) -> Result:
    """Masses on a fixed grid."""
    from scipy.optimize import nnls

    problem = make(delta)
    with np.errstate(divide="ignore"):
        u = np.linspace(0, 1, points)
        omega = (u / (1 - u))[:, np.newaxis]
    root = np.sqrt(problem.weights)
    misfit = (problem.features(omega) - problem.labels) * root
    matrix = np.vstack([misfit.T, np.ones(points)])
    x, _ = nnls(matrix, np.eye(len(matrix))[-1])
    return omega[x > 0], x[x > 0] / x.sum()


def by_slsqp(delta: float, atoms: int = 4) -> Result:
    """Places and masses of a few atoms."""
    from scipy.optimize import minimize

    problem = make(delta)

    def loss(z: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        u, mass = z[:atoms], z[atoms:]
        features, slopes = problem.features_and_gradients((u / (1 - u))[:, np.newaxis])
        residual = problem.labels - mass @ features
        force = problem.weights * residual
        by_place = mass * (slopes[:, :, 0] @ force) / (1 - u) ** 2
        return float(force @ residual), -2 * np.concatenate([by_place, features @ force])

    settings: dict[str, Any] = {
        "jac": True,
        "bounds": [(0, 0.9999)] * atoms + [(0, 1)] * atoms,
        "constraints": {"type": "eq", "fun": lambda z: z[atoms:].sum() - 1},
        "options": {"ftol": 1e-15, "maxiter": 500},
    }
    generator = np.random.default_rng(0)
    even = np.full(atoms, 1 / atoms)
    starts = [np.append(generator.uniform(0, 0.999, atoms), even) for _ in range(STARTS)]
    runs = [minimize(loss, start, method="SLSQP", **settings) for start in starts]
    best = min(runs, key=lambda run: run.fun).x
    omega = (best[:atoms] / (1 - best[:atoms]))[:, np.newaxis]
    mass = np.maximum(best[atoms:], 0)
    return omega, mass / mass.sum()


def judge(delta: float, result: Result) -> tuple[float, float]:
    """Return risk and gap of a measure, on a grid ten times as fine as the pipeline's."""
    from meanfield.domain import make_domain
    from meanfield.functionals import risk
    from meanfield.measure import Measure
    from meanfield.search import on_grid
    from meanfield.statics import duality_gap

    problem, measure = make(delta), Measure(*result)
    search = on_grid(problem, make_domain(("r",), points=10001))
    return float(risk(problem, measure)), duality_gap(search, measure)


def fine_enough(delta: float, most: int = 60_000) -> int:
    """Return the points of a grid, doubled until non-negative least squares on it has the gap."""
    points = 251
    while judge(delta, by_nnls(points, delta))[1] > GAP and 2 * points < most:
        points = 2 * points - 1
    return points


def units(function: Callable[[], Any]) -> Callable[[int], None]:
    """Return the work that calls a function so many times."""

    def work(count: int) -> None:
        for _ in range(count):
            function()

    return work


def measure(rounds: int, seconds: float) -> dict[str, Any]:
    """Time everything in turn and judge every result."""
    from benchmarks.machine import describe
    from benchmarks.rounds import interleave

    points = {delta: fine_enough(delta) for delta in DELTAS}
    routes: dict[tuple[str, float], Callable[[], Result]] = {}
    for delta in DELTAS:
        routes["certified", delta] = partial(certified, delta)
        routes[f"nnls on {points[delta]} points", delta] = partial(by_nnls, points[delta], delta)
        routes[f"slsqp, {STARTS} starts", delta] = partial(by_slsqp, delta)
    wholes = {("181 minima and spheres", None): figure_2, ("thresholds", None): thresholds}
    judged = {key: judge(key[1], route()) for key, route in routes.items()}
    works: dict[Any, Any] = {key: units(each) for key, each in (routes | wholes).items()}
    timings = interleave(works, rounds, seconds, say=lambda text: print(text, file=sys.stderr))
    rows = []
    for (name, at), timing in timings.items():
        row: dict[str, Any] = {
            "route": name,
            "delta": at,
            "seconds": float(f"{timing.median:.4g}"),
            "rounds": [float(f"{each:.4g}") for each in timing.seconds],
            "cpu_share": round(timing.share, 3),
        }
        if at is not None:
            row["risk"], row["gap"] = judged[name, at]
        rows.append(row)
    machine = describe(("numpy", "scipy")) | {"threads_used": 1}
    return {"machine": machine, "rows": rows}


def table(result: dict[str, Any]) -> str:
    """Return the rows as text."""
    lines = [f"{'route':32s} {'Delta':>6s} {'seconds':>9s} {'risk':>12s} {'gap':>9s}"]
    for row in result["rows"]:
        at = "" if row["delta"] is None else f"{row['delta']:g}"
        found = f"{row['risk']:12.8f} {row['gap']:9.1e}" if "risk" in row else ""
        lines.append(f"{row['route']:32s} {at:>6s} {row['seconds']:9.4f} {found}".rstrip())
    return "\n".join(lines)


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description="Cost of certified minima on one core.")
    parser.add_argument("--rounds", type=int, default=7, help="at least 5 (default 7)")
    parser.add_argument("--seconds", type=float, default=0.1, help="of each in a round")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    if arguments.rounds < 5:
        parser.error(f"--rounds must be at least 5, got {arguments.rounds}")
    if not arguments.seconds > 0:
        parser.error(f"--seconds must be positive, got {arguments.seconds}")
    result = measure(arguments.rounds, arguments.seconds)
    arguments.results.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1) + "\n"
    (arguments.results / "statics.json").write_text(text, encoding="utf-8")
    print(table(result))


if __name__ == "__main__":
    start_with_one_thread()
    main()
