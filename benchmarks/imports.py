"""What `import cognito_guard` costs: against the RSA modules of cryptography, which no verifier can do without, and `import jwt`.

    python benchmarks/imports.py

Goal: at most 2.0 x the RSA modules. Fresh interpreters, interleaved; the time is taken inside each. Start and exit of the interpreter are
not counted, and bytecode is cached, as it is from the second start on.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

from rounds import show

import cognito_guard

ROUNDS = 25
_RSA = "RSA modules of cryptography"
_CONTENDERS = {
    _RSA: "from cryptography.hazmat.primitives.asymmetric import rsa, padding, utils; from cryptography.hazmat.primitives import hashes",
    "cognito_guard": "import cognito_guard",
    "cognito_guard.adapters.asgi": "import cognito_guard.adapters.asgi, cognito_guard.web",
    "cognito_guard.testing.pytest_plugin, pytest loaded": "import cognito_guard.testing.pytest_plugin",
    "jwt (PyJWT), with PyJWKClient": "import jwt; jwt.PyJWKClient",
    "nothing": "pass",
}
_BEFORE = {"cognito_guard.testing.pytest_plugin, pytest loaded": "import pytest"}


def milliseconds(name: str) -> float:
    """How long one import takes in a fresh interpreter."""
    program = (
        f"{_BEFORE.get(name, 'pass')}\nfrom time import perf_counter\nstarted = perf_counter()\n{_CONTENDERS[name]}\n"
        "print(perf_counter() - started)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(cognito_guard.__file__).parent.parent)}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=60)
    return float(run.stdout) * 1e3


def main() -> None:
    for name in _CONTENDERS:
        milliseconds(name)
    samples: dict[str, list[float]] = {name: [] for name in _CONTENDERS}
    for _ in range(ROUNDS):
        for name, taken in samples.items():
            taken.append(milliseconds(name))
    medians = {name: statistics.median(taken) for name, taken in samples.items()}
    show(f"import in a fresh interpreter, Python {sys.version.split()[0]}", medians, unit="ms", against=_RSA)
    ratio = medians["cognito_guard"] / medians[_RSA]
    print(f"  cognito_guard: {ratio:.2f} x, goal at most 2.0 x: {'met' if ratio <= 2.0 else 'MISSED'}")


if __name__ == "__main__":
    main()
