"""Compare the digest that every result carries with the one that the configuration asks for.

In: the expected digest of every result (a parameter of the rule).
Out: nothing; the terminal and the log name every result that is missing or stale. Fails if any is.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from meanfield.store import recorded_digest


def audit(expected: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong with each result that is not as expected.

    Args:
        expected: path of a result -> digest that it should carry.

    Returns:
        Path -> "missing", "stale" (made by other code or from other settings or inputs) or
        "unknown" (it carries no digest, so nothing is known of its origin).
    """
    wrong = {}
    for path, digest in expected.items():
        if not Path(path).is_file():
            wrong[path] = "missing"
            continue
        found = recorded_digest(path)
        if found != digest:
            wrong[path] = "stale" if found else "unknown"
    return wrong


def report(wrong: Mapping[str, str], stages: Mapping[str, str], options: str) -> str:
    """Return the outcome in words: a line for each wrong result, and how to remake them.

    Args:
        wrong: path -> what is wrong with it.
        stages: path of every result -> stage that makes it.
        options: options with which snakemake was called, to be repeated.
    """
    if not wrong:
        return f"All {len(stages)} results are up to date."
    lines = [f"{state:<8} {path}" for path, state in sorted(wrong.items())]
    # By name: without its metadata, or where only an intermediate is missing, Snakemake alone
    # would find nothing to do.
    names = list(dict.fromkeys(stage for path, stage in stages.items() if path in wrong))
    lines.append(
        f"{len(wrong)} of {len(stages)} results are not up to date; remake them with\n"
        f"  snakemake --cores all{options} --forcerun {' '.join(names)}"
    )
    return "\n".join(lines)


def main(
    expected: Mapping[str, str], stages: Mapping[str, str], options: str, log_file: str | Path
) -> int:
    """Print and log the outcome; return the exit status."""
    wrong = audit(expected)
    text = report(wrong, stages, options)
    Path(log_file).write_text(text + "\n", encoding="utf-8")
    print(f"\n{text}\n", flush=True)
    return 1 if wrong else 0


if "snakemake" in globals():
    job = globals()["snakemake"]
    sys.exit(main(job.params.expected, job.params.stages, job.params.options, job.log[0]))
