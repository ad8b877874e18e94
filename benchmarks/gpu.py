"""All that is to be checked and measured on a GPU, in parts of under 10 minutes.

    pip install -r envs/gpu.lock -r envs/dev.lock     (peers: jax[cuda12], torch, optional)
    python benchmarks/gpu.py --part agreement    # samples, SGD and flows against the CPU's
    python benchmarks/gpu.py --part sanitize     # compute-sanitizer, where it is installed
    python benchmarks/gpu.py --part speed        # µs a step, beside JAX, PyTorch and plain CuPy
    python benchmarks/gpu.py --part tests        # the tests that run on a GPU, 3 minutes at most
    python benchmarks/gpu.py --part figures      # all figures by Snakemake, SGD on the GPU
    python benchmarks/gpu.py --part sweep        # the same, each sweep trained in one launch
    python benchmarks/gpu.py --plot FILE         # the figure again, from a file

Who has a GPU for 15 minutes runs, in this order: agreement, without which nothing else counts;
sanitize; speed, with a --limit that leaves time for the next two; tests; and sweep, the figures as
a GPU is to make them. The part figures comes after all of these.

Out, in benchmarks/results: gpu-<device>-<date>.json, to which each part adds itself, and speed each
number of networks as soon as it is timed; and a figure of that name. The exit status is 1 if a
check fails, and 2 without a GPU.
"""

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
RESULTS = ROOT / "benchmarks" / "results"
LIBRARIES = ("numpy", "scipy", "numba", "cupy-cuda12x", "jax", "torch")
PARTS = ("agreement", "sanitize", "speed", "tests", "figures", "sweep")
_TEST_SECONDS = 180.0


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description="Checks and measurements on a GPU.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--part", choices=PARTS, help="what to do, in less than --limit seconds")
    what.add_argument("--plot", type=Path, metavar="FILE", help="only draw the figure of a file")
    parser.add_argument("--rounds", type=int, default=5, help="of timing (default 5)")
    parser.add_argument("--seconds", type=float, default=0.3, help="of each in a round")
    parser.add_argument("--limit", type=float, default=560.0, help="seconds of a part")
    parser.add_argument("--quick", action="store_true", help="figures at toy size")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    found = parser.parse_args(arguments)
    if found.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {found.rounds}")
    if not (found.seconds > 0 and found.limit > 0):
        parser.error("--seconds and --limit must be positive")
    return found


def tests(given: argparse.Namespace) -> dict[str, Any]:
    """Run the tests that touch the GPU; one that was skipped has shown nothing."""
    from benchmarks.gpu_checks import call

    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-n", "4"]
    found = call(command, min(given.limit, _TEST_SECONDS))
    summary = found["last_lines"][-1] if found["last_lines"] else ""
    return found | {"ok": found["status"] == 0 and "skipped" not in summary}


def figures(given: argparse.Namespace, batch: str) -> dict[str, Any]:
    """Make all figures from nothing; return the time, and the part of it that was SGD.

    Args:
        given: the command line.
        batch: "point" or "sweep", what is trained at once.
    """
    from benchmarks.gpu_checks import call
    from meanfield.store import read

    results = Path("results") / "gpu_benchmark" / batch
    shutil.rmtree(ROOT / results, ignore_errors=True)
    files = ["--configfile", "config/quick.yaml"] if given.quick else []
    found = call(
        [
            sys.executable, "-m", "snakemake", *files, "--profile", "profiles/gpu",
            "--config", "backend=cupy", f"batch={batch}", f"results_dir={results}",
        ],
        given.limit,
    )  # fmt: skip
    runs = sorted((ROOT / results).glob("runs/*/run_sgd/*.nc"))
    logs = [ROOT / results / "logs" / run.parts[-3] / "run_sgd" / f"{run.stem}.log" for run in runs]
    texts = {f"{log.parts[-3]}/{log.stem}": log.read_text(encoding="utf-8") for log in logs}
    seconds = {
        name: float(match.group(1))
        for name, text in texts.items()
        if (match := re.search(r"steps in ([\d.]+) s on GPU", text))
    }
    found_finished = sum("were finished before" in text for text in texts.values())
    backends = sorted({read(run, without=["theta", "omega"]).attrs["backend"] for run in runs})
    return found | {
        "sgd_seconds": sum(seconds.values()),
        "sgd_seconds_of_runs": seconds,
        "runs_that_trained": len(runs) - found_finished,
        "backends": backends,
        "ok": found["status"] == 0 and backends == ["cupy"] and len(seconds) == len(runs),
    }


def main() -> None:
    """Do a part, add it to the device's file of today, and draw."""
    given = parse()
    if given.plot:
        from benchmarks.plot_gpu import draw

        draw(given.plot)
        return
    from meanfield.arrays import GpuError, choose_backend

    try:
        device = choose_backend("cupy").device
    except GpuError as error:
        print(f"benchmarks/gpu.py: {error}", file=sys.stderr)
        sys.exit(2)
    # Only now: all that follows needs CuPy.
    from benchmarks import gpu_checks, gpu_speed
    from benchmarks.machine import describe

    # What a part starts finds the modules, too.
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])
    file = given.results / f"gpu-{short_name(device)}-{datetime.now(UTC):%Y-%m-%d}.json"
    head = {"device": device, "machine": describe(installed())}

    def save(found: dict[str, Any]) -> None:
        add(file, head | {given.part: found})

    parts: Mapping[str, Callable[[], dict[str, Any]]] = {
        "agreement": gpu_checks.agreement,
        "sanitize": lambda: gpu_checks.sanitize(given.limit),
        "speed": lambda: gpu_speed.speed(given.rounds, given.seconds, given.limit, save),
        "tests": lambda: tests(given),
        "figures": lambda: figures(given, "point"),
        "sweep": lambda: figures(given, "sweep"),
    }
    found = parts[given.part]()
    save(found)
    print(json.dumps(found, indent=1))
    if given.part == "speed" and found["rows"]:
        from benchmarks.plot_gpu import draw

        draw(file)
    if not found.get("ok", True):
        sys.exit(1)


def add(file: Path, content: Mapping[str, Any]) -> None:
    """Add to a file of results; whoever stops this finds the file as it was, or with it all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    old = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    new = file.with_suffix(".new")
    new.write_text(json.dumps({**old, **content}, indent=1) + "\n", encoding="utf-8")
    new.replace(file)


def short_name(device: str) -> str:
    """Return the device's name as it stands in the name of a file: h200 for NVIDIA H200."""
    name = device.split(",")[0].removeprefix("GPU ").lower().replace("nvidia", "")
    return re.sub(r"[^a-z0-9]+", "-", name).strip("-")


def installed() -> list[str]:
    """Return the libraries that are there."""
    from importlib.metadata import distributions

    there = {distribution.name for distribution in distributions()}
    return [name for name in LIBRARIES if name in there]


if __name__ == "__main__":
    main()
