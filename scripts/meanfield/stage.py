"""What a stage script does around its work: arguments, a log file, one clear line on failure."""

import inspect
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from meanfield.store import Origin

LOG = logging.getLogger("meanfield")
"""Logger of the stages; the library itself does not log."""


def run_stage(main: Callable[..., None], snakemake: Any) -> None:
    """Call a stage's main function with what its Snakemake rule names.

    ``main`` is called by keyword with the rule's named inputs and outputs (paths, or lists of
    them), ``settings``, ``origin`` (an `Origin`), and ``threads`` where it takes them. Its messages
    go to the rule's log. A failure writes its traceback there, and to the terminal one line that
    says what was wrong; the process then exits with status 1, which stops the workflow.

    Args:
        main: the stage's work.
        snakemake: the object that Snakemake gives to a script.
    """
    log_file = Path(snakemake.log[0])
    handler = logging.FileHandler(log_file, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    try:
        main(**_arguments(main, snakemake))
    except Exception as error:
        LOG.exception("%s failed", snakemake.rule)
        message = f"{snakemake.rule}: {type(error).__name__}: {error}"
        print(f"\n{message}\n(log: {log_file})\n", file=sys.stderr)
        sys.exit(1)
    finally:
        LOG.removeHandler(handler)
        handler.close()


def _arguments(main: Callable[..., None], snakemake: Any) -> dict[str, Any]:
    wildcards: dict[str, str] = dict(snakemake.wildcards.items())
    origin = Origin(
        stage=snakemake.rule,
        experiment=wildcards.get("experiment", wildcards.get("figure", "")),
        point=wildcards.get("point", "all"),
        settings=snakemake.params.settings,
        code=snakemake.params.code,
        digest=snakemake.params.digest,
    )
    arguments: dict[str, Any] = {"settings": snakemake.params.settings, "origin": origin}
    for name, value in (*snakemake.input.items(), *snakemake.output.items()):
        arguments[name] = str(value) if isinstance(value, str) else [str(path) for path in value]
    if "threads" in inspect.signature(main).parameters:
        arguments["threads"] = snakemake.threads
    return arguments
