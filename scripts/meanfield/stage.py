"""What a stage script does around its work: arguments, a log file, one clear line on failure."""

import inspect
import logging
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from meanfield.digests import code_digest, file_digest
from meanfield.store import Origin

LOG = logging.getLogger("meanfield")
"""Logger of the stages; of the library, only what is for a GPU logs."""


def run_stage(main: Callable[..., None], snakemake: Any) -> None:
    """Call a stage's main function with what its Snakemake rule names.

    ``main`` is called by keyword with the rule's named inputs and outputs (paths, or lists of
    them), ``settings``, ``origin`` (an `Origin`), and ``threads``, ``backend`` and ``siblings``
    where it takes them. Its messages go to the rule's log, warnings to the terminal as well. A
    failure writes its traceback to the log, and to the terminal one line that says what was wrong;
    the process then exits with status 1, which stops the workflow. An interrupt is one line in
    both, and status 130.

    Args:
        main: the stage's work.
        snakemake: the object that Snakemake gives to a script.
    """
    origin = Origin(**snakemake.params.origin)
    log_file = Path(snakemake.log[0])
    handler = logging.FileHandler(log_file, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.WARNING)
    terminal.setFormatter(logging.Formatter(f"WARNING from {origin.stage}: %(message)s"))
    terminal.addFilter(lambda record: record.levelno == logging.WARNING)
    LOG.handlers = [handler, terminal]
    LOG.setLevel(logging.INFO)
    try:
        check_sources(origin)
        # The rule's threads are the stage's own: those of the linear algebra library would fight
        # them, and other jobs, for the cores.
        with threadpool_limits(1, user_api="blas"):
            main(**_arguments(main, snakemake, origin))
        check_sources(origin)
    except KeyboardInterrupt:
        message = f"{origin.stage}: interrupted; continue by running the same command"
        LOG.error(message)
        print(f"\n{message}\n", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        LOG.exception("%s failed", origin.stage)
        message = f"{origin.stage}: {type(error).__name__}: {error}"
        print(f"\n{message}\n(log: {log_file})\n", file=sys.stderr)
        sys.exit(1)
    finally:
        LOG.handlers.clear()
        handler.close()


def check_sources(origin: Origin) -> None:
    """Raise unless code and law file on disk are still what the result will be said to come from.

    Raises:
        RuntimeError: a module, or the user's file, was edited after the workflow was planned.
    """
    make_check()(origin)


def make_check() -> Callable[[Origin], None]:
    """Return a `check_sources` for many origins, which looks at what they share only once."""
    check_code, check_law_file = cache(_check_code), cache(_check_law_file)

    def check(origin: Origin) -> None:
        check_code(origin.stage, origin.code)
        if origin.law_file:
            check_law_file(origin.settings["law"]["file"], origin.law_file)

    return check


def _check_code(stage: str, planned: str) -> None:
    found = code_digest(f"{stage}.py")
    if found != planned:
        raise RuntimeError(
            f"the code of {stage} was edited while the workflow ran "
            f"(digest {planned} when planned, {found} now); run snakemake again"
        )


def _check_law_file(file: str, planned: str) -> None:
    try:
        found = file_digest(Path(file))
    except (OSError, SyntaxError, ValueError) as error:
        found = f"none, {error},"
    if found != planned:
        raise RuntimeError(
            f"{file}, or a module beside it that it imports, was edited while the workflow ran "
            f"(digest {planned} when planned, {found} now); run snakemake again"
        )


def _arguments(main: Callable[..., None], snakemake: Any, origin: Origin) -> dict[str, Any]:
    arguments: dict[str, Any] = {"settings": origin.settings, "origin": origin}
    for name, value in (*snakemake.input.items(), *snakemake.output.items()):
        arguments[name] = str(value) if isinstance(value, str) else [str(path) for path in value]
    taken = inspect.signature(main).parameters
    if "threads" in taken:
        arguments["threads"] = snakemake.threads
    if "backend" in taken:
        arguments["backend"] = snakemake.params.backend
    if "siblings" in taken:
        arguments["siblings"] = snakemake.params.siblings
    return arguments
