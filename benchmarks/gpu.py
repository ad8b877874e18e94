"""All that is to be checked and measured on a GPU, in parts of under 10 minutes.

    pip install -r envs/gpu.lock -r envs/dev.lock     (peers: jax with CUDA, torch, optional)
    python benchmarks/gpu.py --part all          # all but the last of these, in this order
    python benchmarks/gpu.py --part agreement    # samples, SGD and flows against the CPU's
    python benchmarks/gpu.py --part tests        # the tests that run on a GPU, 3 minutes at most
    python benchmarks/gpu.py --part sanitize     # compute-sanitizer; fails where there is none
    python benchmarks/gpu.py --part speed        # µs a step, beside JAX, PyTorch and plain CuPy
    python benchmarks/gpu.py --part sweep        # all figures by Snakemake, a sweep in one launch
    python benchmarks/gpu.py --part figures      # the same, each point by itself
    python benchmarks/gpu.py --plot FILE         # the figure again, from a file

A part ends at --limit, and says what it left out. agreement, tests and sanitize may run side by
side; speed must run alone.

Out, in benchmarks/results: gpu-<device>-<date>.json, to which every part adds itself, agreement,
sanitize and speed as they go on; a figure of that name; and what the commands that the parts start
have said, in .log files. The exit status is 1 if a check fails, cannot be made or is left out, 2
without a GPU. Sizes that speed has no time for are named in the file, and fail nothing.
"""

import argparse
import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
RESULTS = ROOT / "benchmarks" / "results"
LIBRARIES = (
    r"numpy|scipy|numba|cupy(-cuda\d+x)?|nvidia-(cuda-nvrtc|cublas)(-cu\d+)?|"
    r"jax|jaxlib|jax-cuda\d+-plugin|torch"
)
"""Names of the distributions to be named with the results, as a pattern."""
SHARES = {"agreement": 4, "tests": 4, "sanitize": 2, "speed": 3, "sweep": 6}
"""Of the time of all parts, in their order: what nothing counts without comes first."""
ORDER = tuple(SHARES)
PARTS = ("all", *ORDER, "figures")
_TEST_SECONDS = 180.0
_LATE = 30.0
"""Seconds after its limit at which a part is asked to end."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description="Checks and measurements on a GPU.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--part", choices=PARTS, help="what to do, in less than --limit seconds")
    what.add_argument("--plot", type=Path, metavar="FILE", help="only draw the figure of a file")
    parser.add_argument("--rounds", type=int, default=5, help="of timing (default 5)")
    parser.add_argument("--seconds", type=float, default=0.3, help="of each in a round")
    parser.add_argument("--limit", type=float, default=520.0, help="seconds of a part")
    parser.add_argument("--quick", action="store_true", help="figures at toy size")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    found = parser.parse_args(arguments)
    if found.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {found.rounds}")
    if not (found.seconds > 0 and found.limit > 0):
        parser.error("--seconds and --limit must be positive")
    return found


def every(
    given: argparse.Namespace, logs: Path, save: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Do one part after the other, each in a process of its own, whatever became of the last.

    A part may take its share of the time that is left, so that one that needs less leaves more to
    the next; one that takes longer is ended, and the file has what it had come to.
    """
    from benchmarks.command import GRACE, call

    found: dict[str, Any] = {"parts": {}, "ok": False}
    end = perf_counter() + given.limit
    for part in ORDER:
        later = [SHARES[each] for each in ORDER[ORDER.index(part) :]]
        share = max((end - perf_counter()) * SHARES[part] / sum(later), 1.0)
        command = [
            sys.executable, __file__, "--part", part, "--limit", f"{share:.0f}",
            "--rounds", str(given.rounds), "--seconds", str(given.seconds),
            "--results", str(given.results.resolve()), *["--quick"] * given.quick,
        ]  # fmt: skip
        found["parts"][part] = call(
            command,
            share + _LATE,
            logs.with_name(f"{logs.name}-{part}.log"),
            grace=2 * GRACE,  # it has to end what it has started itself
        )
        save(found)
        status, seconds = (found["parts"][part][name] for name in ("status", "seconds"))
        print(f"{part}: status {status}, {seconds:.0f} s", file=sys.stderr, flush=True)
    found["ok"] = all(found["parts"][part]["status"] == 0 for part in ORDER)
    return found


def figures(seconds: float, batch: str, log: Path, quick: bool) -> dict[str, Any]:
    """Make all figures from nothing; return the time, and the part of it that was SGD.

    Args:
        seconds: after which they are ended.
        batch: "point" or "sweep", what is trained at once.
        log: for what Snakemake says.
        quick: whether they are those of the quick configuration.

    Returns:
        Status, seconds, and what was finished, also when the limit ended it.
    """
    from benchmarks.command import call
    from meanfield.store import read

    results = Path("results") / "gpu_benchmark" / batch
    shutil.rmtree(ROOT / results, ignore_errors=True)
    files = ["--configfile", "config/quick.yaml"] if quick else []
    found = call(
        [
            sys.executable, "-m", "snakemake", *files, "--profile", "profiles/gpu",
            "--config", "backend=cupy", f"batch={batch}", f"results_dir={results}",
        ],
        seconds,
        log,
    )  # fmt: skip
    runs = sorted((ROOT / results).glob("runs/*/run_sgd/*.nc"))
    logs = [ROOT / results / "logs" / run.parts[-3] / "run_sgd" / f"{run.stem}.log" for run in runs]
    texts = {f"{log.parts[-3]}/{log.stem}": log.read_text(encoding="utf-8") for log in logs}
    trained = {
        name: float(match.group(1))
        for name, text in texts.items()
        if (match := re.search(r"steps in ([\d.]+) s on GPU", text))
    }
    found_finished = sum("were finished before" in text for text in texts.values())
    backends = sorted({read(run, without=["theta", "omega"]).attrs["backend"] for run in runs})
    jobs = re.findall(r"(\d+) of (\d+) steps", log.read_text(encoding="utf-8", errors="replace"))
    pictures = (ROOT / results).glob("f*/*.png")
    return found | {
        "jobs_done": [int(number) for number in jobs[-1]] if jobs else None,
        "pictures": sorted(f"{each.parent.name}/{each.name}" for each in pictures),
        "sgd_seconds": sum(trained.values()),
        "sgd_seconds_of_runs": trained,
        "runs_that_trained": len(runs) - found_finished,
        "backends": backends,
        "ok": found["status"] == 0 and backends == ["cupy"] and len(trained) == len(runs),
    }


def main() -> None:
    """Do a part, add it to the device's file of today, and draw."""
    begin = perf_counter()
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
    from benchmarks import gpu_checks, gpu_sanitize, gpu_speed, gpu_tests
    from benchmarks.command import end_what_was_started
    from benchmarks.machine import describe

    end_what_was_started()
    # What a part starts finds the modules, too, beside what this found otherwise.
    before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join([*sys.path[:2], *filter(None, before)])
    file = given.results / f"gpu-{short_name(device)}-{datetime.now(UTC):%Y-%m-%d}.json"
    logs = file.with_name(f"{file.stem}-{given.part}")
    head = {"device": device, "machine": describe(installed())}

    def save(found: dict[str, Any]) -> None:
        add(file, head | {given.part: found})

    given.limit = left = max(given.limit - (perf_counter() - begin), 1.0)
    log = logs.with_suffix(".log")
    parts: Mapping[str, Callable[[], dict[str, Any]]] = {
        "all": lambda: every(given, logs, save),
        "agreement": lambda: gpu_checks.agreement(left, save),
        "sanitize": lambda: gpu_sanitize.sanitize(left, logs, save),
        "speed": lambda: gpu_speed.speed(given.rounds, given.seconds, left, save),
        "tests": lambda: gpu_tests.run(min(left, _TEST_SECONDS), log),
        "figures": lambda: figures(left, "point", log, given.quick),
        "sweep": lambda: figures(left, "sweep", log, given.quick),
    }
    found = parts[given.part]()
    save(found)
    print(json.dumps(found, indent=1))
    if given.part == "speed" and found["rows"]:
        from benchmarks.plot_gpu import draw

        draw(file)
    if not found["ok"]:
        sys.exit(1)


def add(file: Path, content: Mapping[str, Any]) -> None:
    """Add to a file of results; whoever stops this finds the file as it was, or with it all."""
    from meanfield.locks import held

    # Another part may add itself at the same time.
    with held(file.parent, logging.getLogger("meanfield"), wait=True):
        old = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        new = file.with_suffix(".new")
        new.write_text(json.dumps({**old, **content}, indent=1) + "\n", encoding="utf-8")
        new.replace(file)


def short_name(device: str) -> str:
    """Return the device's name as it stands in the name of a file: h200 for NVIDIA H200."""
    name = device.split(",")[0].removeprefix("GPU ").lower().replace("nvidia", "")
    return re.sub(r"[^a-z0-9]+", "-", name).strip("-")


def installed() -> list[str]:
    """Return the libraries that are there, whatever version of CUDA they are named for."""
    from importlib.metadata import distributions

    there = {distribution.name for distribution in distributions() if distribution.name}
    return sorted(name for name in there if re.fullmatch(LIBRARIES, name))


if __name__ == "__main__":
    main()
