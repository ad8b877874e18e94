"""pyproject.toml, the lock files and the conda environments describe the same set-up."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {"run": (), "dev": ("dev",), "gpu": ("gpu",)}
# conda names python itself; the rest of a pip requirement carries over by name.
CONDA_NAMES = {"cupy-cuda12x": "cupy"}


def requirements(*extras: str) -> list[Requirement]:
    texts = list(PROJECT["dependencies"])
    for extra in extras:
        texts += PROJECT["optional-dependencies"][extra]
    return [Requirement(text) for text in texts]


def locked(lock: str) -> dict[str, list[tuple[Version, Marker | None]]]:
    """Return name -> pins, several where the version depends on the Python version."""
    pins: dict[str, list[tuple[Version, Marker | None]]] = {}
    for line in (ROOT / "envs" / f"{lock}.lock").read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            requirement = Requirement(line.rstrip(" \\"))
            (pin,) = requirement.specifier
            assert pin.operator == "=="
            name = canonicalize_name(requirement.name)
            pins.setdefault(name, []).append((Version(pin.version), requirement.marker))
    return pins


@pytest.mark.parametrize("lock", EXTRAS)
def test_lock_satisfies_pyproject(lock: str) -> None:
    pins = locked(lock)
    for requirement in requirements(*EXTRAS[lock]):
        versions = pins[canonicalize_name(requirement.name)]
        assert all(requirement.specifier.contains(version) for version, _ in versions), requirement


@pytest.mark.parametrize("lock", EXTRAS)
def test_lock_pins_every_package_by_hash_and_holds_no_address(lock: str) -> None:
    text = (ROOT / "envs" / f"{lock}.lock").read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text


@pytest.mark.parametrize("lock", ["dev", "gpu"])
def test_locks_agree_with_each_other(lock: str) -> None:
    run, other = locked("run"), locked(lock)
    assert {name: sorted(v for v, _ in other[name]) for name in run} == {
        name: sorted(v for v, _ in pins) for name, pins in run.items()
    }


def test_kernels_are_checked_with_the_compiler_that_a_gpu_gets() -> None:
    (checked, _), *others = locked("dev")["nvidia-cuda-nvrtc-cu12"]
    assert not others
    assert {checked} == {version for version, _ in locked("gpu")["nvidia-cuda-nvrtc-cu12"]}


@pytest.mark.parametrize(("environment", "lock"), [("cpu", "run"), ("gpu", "gpu")])
def test_conda_environment_agrees_with_lock_and_pyproject(environment: str, lock: str) -> None:
    specification = yaml.safe_load((ROOT / "envs" / f"{environment}.yaml").read_text())
    pinned = dict(entry.split("=") for entry in specification["dependencies"])
    python = pinned.pop("python")
    needed = {CONDA_NAMES.get(r.name, r.name): r.name for r in requirements(*EXTRAS[lock])}
    del needed["snakemake"]  # it runs outside of the environment of its scripts
    assert pinned.keys() == needed.keys()
    pins = locked(lock)
    for name, version in pinned.items():
        (expected,) = (
            pin
            for pin, marker in pins[canonicalize_name(needed[name])]
            if marker is None or marker.evaluate({"python_full_version": f"{python}.0"})
        )
        # conda has no post-releases: its build number says the same.
        assert expected.public.startswith(version)
        assert Version(version).release[:3] == expected.release[:3]


def test_the_profile_of_the_gpu_is_the_default_and_one_gpu() -> None:
    default, gpu = (
        yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())
        for name in ("default", "gpu")
    )
    assert gpu == {**default, "resources": ["gpu=1"], "config": ["backend=cupy"]}
