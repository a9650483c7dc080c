"""What the differential tests share: one Node process that judges by aws-jwt-verify, speaking JSON lines."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

WHERE = "COGNITO_GUARD_NODE_MODULES"


@pytest.fixture(scope="session")
def aws_jwt_verify() -> Iterator[Callable[[dict[str, Any], list[str]], list[str | None]]]:
    """`judge(pool, tokens)`: for each token aws-jwt-verify's reason to refuse it, or None. Skips without Node; in CI that is an error."""
    node, modules = shutil.which("node"), Path(os.environ.get(WHERE, ""))
    lacking = None
    if node is None:
        lacking = "there is no `node` on the path"
    elif not os.environ.get(WHERE) or not (modules / "aws-jwt-verify").is_dir():
        lacking = f"no aws-jwt-verify: `npm install aws-jwt-verify@5.2.1` somewhere and set {WHERE} to its node_modules directory"
    if lacking is not None:
        if os.environ.get("COGNITO_GUARD_CI") == "1":
            raise RuntimeError(lacking)
        pytest.skip(lacking)
    script = str(Path(__file__).with_name("oracle.cjs"))
    command = [str(node), script, str(modules.resolve())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told: dict[str, Any] | None = None

        def judge(pool: dict[str, Any], tokens: list[str]) -> list[str | None]:
            nonlocal told
            assert process.stdin is not None
            assert process.stdout is not None
            if told is None:
                told = pool
                process.stdin.write(f"{json.dumps(pool)}\n")
            assert told == pool, "one process knows one pool"
            refusals = []
            for token in tokens:
                process.stdin.write(f"{json.dumps({'token': token})}\n")
                process.stdin.flush()
                refusals.append(json.loads(process.stdout.readline())["refusal"])
            return refusals

        yield judge
        process.stdin.close()
        process.wait(timeout=10)
