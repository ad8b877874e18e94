"""A command ends in time, with what it started."""

import time
from pathlib import Path

from benchmarks import command


def test_a_command_ends_with_all_that_it_started(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "command.log"
    found = command.call(["sh", "-c", "sleep 1000 & echo $!; wait"], 0.3, log)
    assert found["status"] is None
    number, *_, last = found["last_lines"]
    assert last == "ended after 0 s"
    for _ in range(1000):
        if not goes_on(int(number)):
            break
        time.sleep(0.01)
    assert not goes_on(int(number))
    found = command.call(["sh", "-c", "echo one; echo two >&2; exit 3"], 60, log)
    assert (found["status"], found["last_lines"]) == (3, ["one", "two"])
    assert log.read_text() == "one\ntwo\n"


def goes_on(number: int) -> bool:
    """Say whether a process is there and not a dead one that nobody has asked for."""
    try:
        return Path(f"/proc/{number}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
