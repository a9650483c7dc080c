"""The examples for systemd, containers and Kubernetes, as far as they can be checked without any of these."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from cognito_guard.gateway.observing.admin import Admin, Readiness
from cognito_guard.gateway.observing.metrics import Metrics

EXAMPLES = Path(__file__).parents[3] / "examples"
COMMAND = ["cognito-guard", "proxy", "--config", "/etc/cognito-guard.toml"]


def need(part: str) -> str:
    """The path of a program; without it a test is skipped, in CI it fails."""
    path = shutil.which(part)
    if path is None:
        missing = f"{part} is not installed"
        (pytest.fail if os.environ.get("COGNITO_GUARD_CI") else pytest.skip)(missing)
    return str(path)


def documents() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    return {each["kind"]: each for each in yaml.safe_load_all((EXAMPLES / "kubernetes-sidecar.yaml").read_text())}


def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there."""
    text = (EXAMPLES / "cognito-guard.service").read_text()
    (started,) = re.findall(r"^ExecStart=(\S+) (.+)$", text, re.MULTILINE)
    assert [Path(started[0]).name, *started[1].split()] == COMMAND
    file = tmp_path / "cognito-guard.service"
    file.write_text(text.replace(started[0], sys.executable))
    return file


def test_the_unit_is_what_systemd_understands(tmp_path: Path) -> None:
    """No unknown setting, no value that is not one: `verify` says nothing."""
    command = [need("systemd-analyze"), "verify", "--man=no", str(unit(tmp_path))]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    told = [line for line in (checked.stdout + checked.stderr).splitlines() if "cognito-guard" in line]
    assert (checked.returncode, told) == (0, [])


def test_the_unit_is_hardened(tmp_path: Path) -> None:
    """`systemd-analyze security` exposes little: below 2 of 10."""
    command = [need("systemd-analyze"), "security", "--offline=true", "--json=short", str(unit(tmp_path))]
    checked = subprocess.run([*command, "--threshold=19"], capture_output=True, text=True, check=False, timeout=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_settings_in_the_config_map_are_good() -> None:
    """Read as the gateway reads them, with the pod's address as its environment gives it; the drain ends before the kubelet's patience."""
    read = pytest.importorskip("cognito_guard.gateway.settings").read
    found = documents()
    text = found["ConfigMap"]["data"]["cognito-guard.toml"]
    pod = found["Deployment"]["spec"]["template"]["spec"]
    guard, app = pod["containers"]
    admin = next(each["value"] for each in guard["env"] if each["name"] == "COGNITO_GUARD_ADMIN").replace("$(POD_IP)", "10.1.2.3")
    settings = read(text, name="cognito-guard.toml", environment={"COGNITO_GUARD_ADMIN": admin})
    assert settings.server.admin == "10.1.2.3:9090"
    assert settings.server.bind == ("0.0.0.0:8080",)
    grace = pod["terminationGracePeriodSeconds"]
    assert guard["lifecycle"]["preStop"]["sleep"]["seconds"] + settings.server.drain < grace
    assert settings.server.drain < app["lifecycle"]["preStop"]["sleep"]["seconds"] < grace
    assert settings.upstreams[0].url.endswith(":".join(app["args"][1::2]))


def test_ports_and_probes_of_the_manifest_agree() -> None:
    """Probes ask the paths that there are, on the admin port; the Service and the policy know the ports' names; the app has none."""
    found = documents()
    guard, app = found["Deployment"]["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in guard["ports"]}
    assert ports == {"http": 8080, "admin": 9090}
    assert "ports" not in app
    admin = Admin(Readiness([], tuple), Metrics().exposition)
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = guard[probe]["httpGet"]
        assert asked["port"] == "admin"
        sent: list[Any] = []

        async def send(message: Any, into: list[Any] = sent) -> None:
            into.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": asked["path"],
            "headers": [(b"host", b"10.1.2.3:9090"), (b"user-agent", b"kube-probe/1.34")],
        }
        asyncio.run(admin(scope, None, send))
        assert sent[0]["status"] == 200
    assert [port["targetPort"] for port in found["Service"]["spec"]["ports"]] == ["http"]
    assert [rule["ports"][0]["port"] for rule in found["NetworkPolicy"]["spec"]["ingress"]] == ["http", "admin"]
    for container in (guard, app):
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert not container["securityContext"]["allowPrivilegeEscalation"]


def test_the_image_starts_the_gateway_and_asks_it() -> None:
    """Entry point, a user that is not root; the health check's own program, run against a real admin listener."""
    text = (EXAMPLES / "Containerfile").read_text().replace("\\\n", "")
    instructions = dict(re.findall(r"^([A-Z]+) (.+)$", text, re.MULTILINE))
    assert json.loads(instructions["ENTRYPOINT"]) == COMMAND
    assert instructions["USER"] == "65532:65532"
    python, *program = json.loads(instructions["HEALTHCHECK"].partition("CMD ")[2])
    assert python == "python"
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    program[1] = program[1].replace("127.0.0.1:9090", f"127.0.0.1:{port}")
    server = uvicorn.Server(uvicorn.Config(Admin(Readiness([], tuple), Metrics().exposition), log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        assert subprocess.run([sys.executable, *program], check=False, timeout=20).returncode == 0
    finally:
        server.should_exit = True
        thread.join(10)
    assert subprocess.run([sys.executable, *program], check=False, timeout=20, stderr=subprocess.DEVNULL).returncode == 1
