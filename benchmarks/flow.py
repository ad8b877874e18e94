"""Speed of the limit's flow on one core, beside NumPy with SciPy and PyTorch at equal accuracy.

    pip install -r envs/run.lock && pip install -r envs/bench.txt
    python benchmarks/flow.py             # all; about 10 minutes
    python benchmarks/flow.py --together  # only a sweep, and the figure again
    python benchmarks/flow.py --plot      # the figure again, from the file

Out, in benchmarks/results: flow.json (seconds, right-hand sides and errors of every implementation
for Figures 1, 3 and 4, the cost of a right-hand side against the number of atoms, and the time of
all Delta of Figure 2 one by one and together), and flow.{png,svg}. A peer gets the coarsest setting
at which its risk errs by no more than this flow's; all solve the same atoms and nodes. Times are
those of a whole solution.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.sgd import RESULTS, start_with_one_thread

LIBRARIES = ("numpy", "scipy", "numba", "llvmlite", "torch")


def parse() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description="Speed of the limit's flow on one core.")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--plot", action="store_true", help="only draw the figure again")
    only.add_argument("--together", action="store_true", help="only time a sweep again")
    parser.add_argument("--rounds", type=int, default=5, help="at least 5 (default 5)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    if arguments.rounds < 5:
        parser.error(f"--rounds must be at least 5, got {arguments.rounds}")
    return arguments


def main() -> None:
    """Measure, write, print and draw what the command line asks for."""
    arguments = parse()
    # Only now, in the process with one thread, may the libraries be loaded.
    from benchmarks.plot_flow import draw

    folder: Path = arguments.results
    folder.mkdir(parents=True, exist_ok=True)
    if not arguments.plot:
        import torch
        from threadpoolctl import threadpool_limits

        from benchmarks.flow_comparison import compare, scaling
        from benchmarks.flow_together import together
        from benchmarks.machine import describe
        from meanfield.arrays import choose_backend

        torch.set_num_threads(1)
        torch.set_num_interop_threads(1)
        file = folder / "flow.json"
        with threadpool_limits(1):
            if arguments.together:
                result = json.loads(file.read_text(encoding="utf-8"))
            else:
                machine = describe(LIBRARIES) | {"threads_used": 1}
                result = compare(arguments.rounds, machine) | scaling(arguments.rounds)
            result["together"] = together(arguments.rounds, choose_backend("cpu"))
        file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    draw(folder)


if __name__ == "__main__":
    start_with_one_thread()
    main()
