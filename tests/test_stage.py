"""A stage's work is refused when its sources were edited, and failures are one clear line."""

from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from meanfield.digests import code_digest, file_digest
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin

LAW = "import half\n\n\ndef draw(generator, count):\n    return half.of(generator, count)\n"


def call(folder: Path, main: Any, law_file: str = "") -> str:
    """Run a stage that stops, and return its log."""
    settings = {"law": {"file": law_file}} if law_file else {}
    digest = file_digest(Path(law_file)) if law_file else ""
    origin = Origin("run_sgd", "one", "base", settings, code_digest("run_sgd.py"), "d", digest)
    snakemake = SimpleNamespace(
        params=SimpleNamespace(origin=asdict(origin)),
        log=[str(folder / "log")],
        input={},
        output={},
        threads=1,
    )
    run_stage(main, snakemake)
    return (folder / "log").read_text()


def test_the_work_is_done_and_logged(tmp_path: Path) -> None:
    text = call(tmp_path, lambda *, settings, origin: LOG.info("%s %s", origin.stage, settings))
    assert text.endswith(" run_sgd {}\n")


@pytest.mark.parametrize("edited", ["law.py", "half.py", "law.csv"])
@pytest.mark.parametrize("remove", [False, True])
def test_a_law_file_edited_during_the_run_is_noticed(
    edited: str, remove: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / ("law.csv" if edited == "law.csv" else "law.py")
    for name, text in (("law.py", LAW), ("half.py", "of = max\n"), ("law.csv", "x,y\n1,2\n")):
        (tmp_path / name).write_text(text)

    def main(*, settings: Any, origin: Any) -> None:
        (tmp_path / edited).write_text("of = 1\n")
        if remove:
            (tmp_path / edited).unlink()

    with pytest.raises(SystemExit) as caught:
        call(tmp_path, main, str(file))
    assert caught.value.code == 1
    printed = capsys.readouterr().err
    assert f"{file}, or a module beside it that it imports, was edited while" in printed
    assert "Traceback" not in printed


def test_an_untouched_law_file_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "law.py").write_text("draw = 1\n")
    assert call(tmp_path, lambda *, settings, origin: None, str(tmp_path / "law.py")) == ""


def test_an_interrupt_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def main(*, settings: Any, origin: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as caught:
        call(tmp_path, main)
    assert caught.value.code == 130
    message = "run_sgd: interrupted; continue by running the same command"
    assert capsys.readouterr().err.strip() == message
    assert (tmp_path / "log").read_text().split(" ", 1)[1] == f"{message}\n"


def test_a_failure_is_one_line_and_a_traceback_in_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        call(tmp_path, lambda *, settings, origin: 1 / 0)
    assert caught.value.code == 1
    assert "run_sgd: ZeroDivisionError: division by zero" in capsys.readouterr().err
    assert "Traceback" in (tmp_path / "log").read_text()
