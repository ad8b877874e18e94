"""Speed of SGD on one core: this engine against NumPy, PyTorch, JAX and plain compiled loops.

    pip install -r envs/run.lock && pip install -r envs/bench.txt
    python benchmarks/sgd.py              # the comparison; 4 minutes
    python benchmarks/sgd.py --scaling    # the engine against N, d, block size and sparsity
    python benchmarks/sgd.py --plot       # the figures again, from the files

Out, in benchmarks/results: sgd.json (the fastest variant of every implementation), sgd_rounds.csv
(every variant and round), sgd.{png,svg}; with --scaling sgd_scaling.{json,png,svg}.  The peers find
their samples in memory; `engine_with_data` draws its own.  All are first held to the float64
reference, and then timed in turn.
"""

import argparse
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SIZES = ((800, 40), (800, 320), (4000, 100))
LIBRARIES = ("numpy", "scipy", "numba", "llvmlite", "torch", "jax", "jaxlib")

ONE_THREAD = {
    **dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
    ),
    "NPROC": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}
"""What libraries read when they are loaded, so it must be set before Python starts."""


def start_with_one_thread() -> None:
    """Replace this process by one with the environment set, on one core."""
    places = [str(ROOT), str(ROOT / "scripts")]
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(places)}
    if environment != dict(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def parse() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description="Speed of SGD on one core.")
    parser.add_argument("--scaling", action="store_true", help="cost of the engine against N, d, …")
    parser.add_argument("--plot", action="store_true", help="only draw the figures again")
    parser.add_argument("--rounds", type=int, default=7, help="at least 5 (default 7)")
    parser.add_argument("--seconds", type=float, default=0.3, help="of each in a round")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    if arguments.rounds < 5:
        parser.error(f"--rounds must be at least 5, got {arguments.rounds}")
    if not arguments.seconds > 0:
        parser.error(f"--seconds must be positive, got {arguments.seconds}")
    return arguments


def main() -> None:
    """Measure, write, print and draw what the command line asks for."""
    arguments = parse()
    # Only now, in the process with one thread, may the libraries be loaded.
    from benchmarks import plot_sgd

    folder: Path = arguments.results
    folder.mkdir(parents=True, exist_ok=True)
    if not arguments.plot:
        import torch
        from threadpoolctl import threadpool_limits

        from benchmarks.machine import describe

        torch.set_num_threads(1)
        torch.set_num_interop_threads(1)
        machine = describe(LIBRARIES) | {"threads_used": 1}
        with threadpool_limits(1):
            if arguments.scaling:
                from benchmarks.sgd_scaling import scaling

                result = scaling(arguments.rounds, arguments.seconds, machine)
                name = "sgd_scaling.json"
            else:
                from benchmarks.sgd_comparison import compare

                result, rounds = compare(SIZES, arguments.rounds, arguments.seconds, machine)
                rounds.to_csv(folder / "sgd_rounds.csv", index=False, float_format="%.5g")
                name = "sgd.json"
        (folder / name).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if arguments.plot or not arguments.scaling:
        plot_sgd.draw_comparison(folder)
    if arguments.plot or arguments.scaling:
        plot_sgd.draw_scaling(folder)


if __name__ == "__main__":
    start_with_one_thread()
    main()
