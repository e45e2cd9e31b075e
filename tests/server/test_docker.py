"""The image and the compose file, as far as they can be tested without a Docker engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import venv
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from support.dockerfile import all_of, environment, stages, without_mounts

TOP = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((TOP / "tests" / "golden" / "compose_schema.json").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((TOP / "docker-compose.yml").read_text())
STAGES = stages(TOP / "server" / "Dockerfile")
TARGETS = ("cpu", "cuda12")


def test_the_compose_file_follows_the_specification() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(COMPOSE)


@pytest.mark.parametrize(
    ("service", "key", "value"),
    [
        ("remx", "restart", "sometimes"),
        ("remx", "ports", ["fifty"]),
        ("remx", "stop_grace_period", 20),
        ("remx-cpu", "gpu", True),
        ("remx-cpu", "secrets", "remx-token"),
    ],
)
def test_the_schema_refuses_what_the_specification_refuses(service: str, key: str, value: object) -> None:
    broken = json.loads(json.dumps(COMPOSE))
    broken["services"][service][key] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(broken)


def test_each_service_builds_its_target_and_has_its_profile() -> None:
    services = COMPOSE["services"]
    assert {name: service["profiles"] for name, service in services.items()} == {
        "remx": ["gpu"],
        "remx-cpu": ["cpu"],
    }
    for service in services.values():
        assert service["build"]["dockerfile"] == "server/Dockerfile"
        assert service["build"]["target"] in STAGES
        assert service["image"].endswith(service["build"]["target"])
    [device] = services["remx"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    assert "deploy" not in services["remx-cpu"]


@pytest.mark.parametrize("name", ["remx", "remx-cpu"])
def test_the_token_is_a_secret_in_a_file(name: str) -> None:
    service = COMPOSE["services"][name]
    [secret] = service["secrets"]
    assert secret in COMPOSE["secrets"]
    assert service["environment"]["REMX_TOKEN_FILE"] == f"/run/secrets/{secret}"
    assert "REMX_TOKEN" not in service["environment"]


@pytest.mark.parametrize("name", ["remx", "remx-cpu"])
def test_a_container_has_no_more_rights_than_it_needs(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert float(service["stop_grace_period"].rstrip("s")) > float(service["environment"]["REMX_GRACE"])


@pytest.mark.parametrize("target", TARGETS)
def test_the_image_runs_as_a_user_without_rights_and_can_be_asked_how_it_is(target: str) -> None:
    stage = STAGES[target]
    [user] = all_of(stage, "USER")
    assert any(f" {user}" in command and "--uid" in command for command in all_of(stage, "RUN"))
    assert stage[-1] == ("USER", user)
    assert environment(stage)["REMX_LISTEN"] == "0.0.0.0:50051"
    assert all_of(stage, "EXPOSE") == ["50051"]
    assert "remx_server.healthcheck" in all_of(stage, "HEALTHCHECK")[0]
    assert all_of(stage, "ENTRYPOINT") == ['["remx-server"]']
    assert all("--no-cache-dir" in command for command in all_of(stage, "RUN") if "pip" in command)
    assert all("slim" in stage[0][1] for stage in STAGES.values())


def test_only_what_the_wheel_is_built_from_is_sent_to_the_builder() -> None:
    ignored = [line for line in (TOP / ".dockerignore").read_text().splitlines() if line[:1] not in ("", "#")]
    assert ignored[0] == "*"
    sent = {line[1:] for line in ignored if line.startswith("!")}
    copied = {part for rest in all_of(STAGES["builder"], "COPY") for part in rest.split()[:-1]}
    assert sent == copied
    assert all((TOP / name).exists() for name in sent)


@pytest.mark.long
def test_the_compose_file_passes_the_schema_that_compose_itself_carried(tmp_path: Path) -> None:
    # The last release of docker-compose that was a Python package.
    download = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    subprocess.run([*download, f"--dest={tmp_path}", "docker-compose==1.29.2"], check=True)
    [wheel] = tmp_path.glob("*.whl")
    schema = json.loads(zipfile.ZipFile(wheel).read("compose/config/compose_spec.json"))
    jsonschema.Draft7Validator(schema).validate(COMPOSE)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_image_s_own_steps_make_a_server_that_is_healthy(tmp_path: Path) -> None:
    source, wheels, image = (tmp_path / name for name in ("source", "wheels", "image"))
    source.mkdir()
    for rest in all_of(STAGES["builder"], "COPY"):
        *names, _ = rest.split()
        for name in names:
            copy = shutil.copytree if (TOP / name).is_dir() else shutil.copy
            copy(TOP / name, source / name)
    venv.create(image, with_pip=True)
    clean = {"PATH": f"{image / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    pip_settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    commands = [*all_of(STAGES["builder"], "RUN"), *all_of(STAGES["cpu"], "RUN")]
    ran = [command for command in commands if " pip " in command]
    assert len(ran) == 2
    for command in ran:
        local = without_mounts(command).replace("/wheels", str(wheels))
        subprocess.run(["sh", "-ec", local], cwd=source, env={**clean, **pip_settings}, check=True)
    shutil.rmtree(source)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = tmp_path / "token"
    made = [image / "bin" / "remx-server", "new-token", "alice"]
    with token.open("w") as file:
        shown = subprocess.run(made, env=clean, stdout=file, stderr=subprocess.PIPE, text=True, check=True)
    [secret] = re.findall(r"^remx-.{43}$", shown.stderr, re.MULTILINE)
    listen = environment(STAGES["cpu"])["REMX_LISTEN"].replace("50051", str(port))
    inside = {**clean, **environment(STAGES["cpu"]), "REMX_LISTEN": listen, "REMX_TOKEN_FILE": str(token)}
    [entrypoint] = json.loads(all_of(STAGES["cpu"], "ENTRYPOINT")[0])
    check = json.loads(all_of(STAGES["cpu"], "HEALTHCHECK")[0].partition("CMD ")[2])
    server = subprocess.Popen([image / "bin" / entrypoint], env=inside, cwd=tmp_path, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 30
        while subprocess.run([image / "bin" / check[0], *check[1:]], env=inside).returncode != 0:
            assert time.monotonic() < deadline
            assert server.poll() is None
        server.send_signal(signal.SIGTERM)
        _, log = server.communicate(timeout=20)
        assert server.returncode == 0
        assert secret.encode() not in log
        assert "listening" in log.decode()
    finally:
        server.kill()
        server.communicate()
