"""A virtual environment for each major version of the SageMaker SDK: two of them cannot share one."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SECONDS_TO_INSTALL = 600


@dataclass(frozen=True)
class Sdk:
    """What to install, the newest release of its kind, pinned so that a release of tomorrow breaks no test of today."""

    name: str
    packages: tuple[str, ...]
    without_dependencies: tuple[str, ...] = ()
    """Packages whose declared dependencies are left out, but for those among ``packages``."""


V2 = Sdk("v2", ("sagemaker==2.257.7",))
V3 = Sdk(
    "v3",
    ("sagemaker-core==2.27.0", "graphene>=3,<4"),
    # Of 1,000 MB of dependencies (MLflow and what it needs), ModelTrainer imports graphene alone.
    ("sagemaker==3.27.0", "sagemaker-train==1.27.0"),
)


def python_of(sdk: Sdk) -> Path:
    """The interpreter of the SDK's virtual environment, which is made if it is not there or installs something else."""
    folder = ROOT / f".venv-sdk-{sdk.name}"
    python = folder / "bin" / "python"
    stamp = folder / "installed"
    wanted = repr(sdk)
    if not stamp.exists() or stamp.read_text() != wanted:
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        # Compiling what is never imported would take as long as installing it.
        install = (str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile")
        _run(*install, *sdk.packages)
        if sdk.without_dependencies:
            _run(*install, "--no-deps", *sdk.without_dependencies)
        stamp.write_text(wanted)
    return python


def _run(*command: str) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS_TO_INSTALL,
    )
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout}"
