"""The other points of a sweep: which of them one job does the work of, beside its own."""

import json
import logging
import zlib
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple, TypeVar

from meanfield.locks import held
from meanfield.store import Origin, recorded_digest

Work = TypeVar("Work")


class Sibling(NamedTuple):
    """A point of the same stage and experiment.

    Attributes:
        origin: what its result is made from.
        result: path of the result, which its own job writes.
    """

    origin: Origin
    result: Path

    @property
    def folder(self) -> Path:
        """Where its own job looks for checkpoints."""
        return checkpoints_of(self.result)

    @property
    def is_up_to_date(self) -> bool:
        """Whether its result is there and made from what it is to be made from now."""
        return self.result.is_file() and recorded_digest(self.result) == self.origin.digest


def packed(siblings: Iterable[Sibling]) -> bytes:
    """Return siblings as compressed text.

    Every job of a sweep is told of all of its points, and few look: a thousand points cost a job
    some 30 kB that it passes over, and not the 0.8 MB that it would parse.
    """
    rows = [(asdict(sibling.origin), str(sibling.result)) for sibling in siblings]
    return zlib.compress(json.dumps(rows).encode())


def unpacked(text: bytes) -> list[Sibling]:
    """Return the siblings that `packed` was given."""
    rows = json.loads(zlib.decompress(text))
    return [Sibling(Origin(**origin), Path(result)) for origin, result in rows]


def checkpoints_of(result: str | Path) -> Path:
    """Return the folder of the checkpoints of a result."""
    return Path(result).with_suffix(".checkpoints")


def was_made_since(result: str | Path, origin: Origin, log: logging.Logger) -> bool:
    """Say whether a job's own result is there by now, as when the lock's last holder stored it.

    Snakemake removes what a job is to make before it starts the job.

    Args:
        result: path of what the job is to make.
        origin: what it is to be made from.
        log: gets a line if it is there.
    """
    if not Sibling(origin, Path(result)).is_up_to_date:
        return False
    log.info("%s: another process has made it in the meantime", result)
    return True


def take_over(
    siblings: Iterable[Sibling],
    fits: Callable[[Sibling], bool],
    prepare: Callable[[Sibling], Work | None],
    locks: ExitStack,
    log: logging.Logger,
) -> list[Work]:
    """Return the work of siblings whose results are not up to date and nobody else is at.

    A sibling that cannot be prepared is left to its own job, which then fails for the same reason
    if there is still one; the log says so.

    Args:
        siblings: all points of the sweep but the job's own.
        fits: says, without much work, whether a sibling may be done together with the job's.
        prepare: gives the work of a sibling that fits, once it is locked; or None if it does not
            fit after all.
        locks: takes the locks of the siblings, to be held until their work is done.
        log: told of every sibling that is taken, held by others, or cannot be prepared.
    """
    taken: dict[str, Work] = {}
    for sibling in siblings:
        name = sibling.origin.point
        with ExitStack() as lock:
            try:
                if sibling.is_up_to_date or not fits(sibling):
                    continue
                if not lock.enter_context(held(sibling.folder, log, wait=False)):
                    log.info("%s: another process is at it", name)
                    continue
                if sibling.is_up_to_date:  # since a moment ago
                    continue
                work = prepare(sibling)
            except Exception as error:
                log.warning("%s: left to its own job: %s: %s", name, type(error).__name__, error)
                continue
            if work is None:
                continue
            taken[name] = work
            locks.push(lock.pop_all())
    if taken:
        log.info("together with %d other points: %s", len(taken), ", ".join(taken))
    return list(taken.values())
