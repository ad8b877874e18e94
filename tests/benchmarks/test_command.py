"""A command ends in time, with what it started."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import command


def test_a_command_ends_with_all_that_it_started(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "command.log"
    found = command.call(["sh", "-c", "sleep 1000 & echo $!; wait"], 0.3, log)
    assert found["status"] is None
    number, *_, last = found["last_lines"]
    assert last == "ended after 0 s"
    assert ends(int(number))
    found = command.call(["sh", "-c", "echo one; echo two >&2; exit 3"], 60, log)
    assert (found["status"], found["last_lines"]) == (3, ["one", "two"])
    assert log.read_text() == "one\ntwo\n"


def test_what_does_not_end_when_asked_is_ended_by_whoever_started_it(tmp_path: Path) -> None:
    """One command starts another, which starts what ignores SIGTERM; the first is asked to end."""
    said = tmp_path / "said"
    stubborn = [
        "sh",
        "-c",
        f"trap '' TERM; echo $$ > {said}.part; mv {said}.part {said}; sleep 1000",
    ]
    inner = program(stubborn, tmp_path / "inner.log", grace=0.1)
    outer = program(inner, tmp_path / "outer.log", grace=60.0)
    with subprocess.Popen(outer, cwd=command.ROOT) as process:
        assert comes_true(said.exists)
        process.terminate()
        assert process.wait() == 128 + 15
    assert ends(int(said.read_text()))


def program(arguments: list[str], log: Path, grace: float) -> list[str]:
    """Return a Python program that calls a command, and may be asked to end."""
    text = (
        "from pathlib import Path; from benchmarks import command; command.end_what_was_started(); "
        f"command.call({arguments!r}, 1000, Path({str(log)!r}), {grace})"
    )
    return [sys.executable, "-c", text]


def ends(number: int) -> bool:
    """Say whether a process ends in the next seconds."""
    return comes_true(lambda: not goes_on(number))


def comes_true(condition: Callable[[], bool]) -> bool:
    """Say whether something is so within the next seconds."""
    for _ in range(2000):
        if condition():
            return True
        time.sleep(0.01)
    return False


def goes_on(number: int) -> bool:
    """Say whether a process is there and not a dead one that nobody has asked for."""
    try:
        return Path(f"/proc/{number}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
