"""The image's own steps, run for real: install by hash, start without rights in a read-only tree."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.dockerfile import all_of, environment, stages, without_mounts
from support.foreign import free_port

TOP = Path(__file__).resolve().parents[2]
STAGES = stages(TOP / "server" / "Dockerfile")
CPU = STAGES["cpu"]
USER = 10001
[VERSION] = re.findall(r"python:(\d+\.\d+)", CPU[0][1])

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """A folder that every user can read, with a Python and what the image's steps install into it."""
    prefix = prefix_of_the_image_s_python()
    folder = Path(tempfile.mkdtemp(prefix="remx-image-"))
    folder.chmod(0o755)
    try:
        # A copy: the interpreter that runs the tests may be in a folder that other users cannot enter.
        python = folder / "python"
        leave_out = shutil.ignore_patterns("site-packages", "test", "tests", "__pycache__", "*.a")
        shutil.copytree(prefix, python, symlinks=True, ignore=leave_out)
        subprocess.run(
            [python / "bin" / f"python{VERSION}", "-m", "venv", folder / "venv"],
            check=True,
            env=clean(folder),
        )
        install(folder)
        yield folder
    finally:
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)
        shutil.rmtree(folder)


def prefix_of_the_image_s_python() -> str:
    """Where a Python of the image's version is on this machine; skips the test where there is none."""
    beside = Path(sys.base_prefix).parent.glob(f"{VERSION}.*/bin/python{VERSION}")
    program = "import sys; print('%d.%d' % sys.version_info[:2], sys.base_prefix)"
    for python in (sys.executable, shutil.which(f"python{VERSION}"), *beside):
        if python is not None:
            ran = subprocess.run([python, "-c", program], capture_output=True, text=True)
            version, _, prefix = ran.stdout.strip().partition(" ")
            if version == VERSION:
                return prefix
    pytest.skip(f"the lock files are for Python {VERSION}, which is not here")


def clean(folder: Path) -> dict[str, str]:
    """An environment with the image's programs first, and how this machine's pip reaches its index."""
    pip_settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    return {
        "PATH": f"{folder / 'venv' / 'bin'}:/usr/bin:/bin",
        "HOME": str(folder),
        # Where the copied interpreter has its own library, if it is built with one.
        "LD_LIBRARY_PATH": str(folder / "python" / "lib"),
        **pip_settings,
    }


def install(folder: Path) -> None:
    """The steps of the builder and of the cpu target that install something."""
    source, wheels = folder / "source", folder / "wheels"
    source.mkdir()
    for rest in all_of(STAGES["builder"], "COPY"):
        *names, _ = rest.split()
        for name in names:
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (TOP / name).is_dir():
                shutil.copytree(TOP / name, target, dirs_exist_ok=True)
            else:
                shutil.copy(TOP / name, target)
    lock = source / "server" / "requirements-cpu.lock"
    commands = [command for stage in ("builder", "cpu") for command in all_of(STAGES[stage], "RUN")]
    ran = [command for command in commands if " pip " in command]
    assert len(ran) == 3
    for command in ran:
        local = without_mounts(command).replace("/wheels", str(wheels))
        local = local.replace(" /requirements.lock", f" {lock}")
        subprocess.run(["sh", "-ec", local], cwd=source, env=clean(folder), check=True)
    shutil.rmtree(source)
    shutil.rmtree(wheels)
    subprocess.run(["chmod", "-R", "a+rX,a-w", folder / "venv", folder / "python"], check=True)


def as_user(*command: object) -> list[str]:
    """A command as the image's user, without capabilities and without a way to get any."""
    if os.getuid() != 0:
        pytest.skip("only root can become the image's user; CI does")
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv here")
    return [
        "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs",
        "--inh-caps=-all", "--bounding-set=-all", "--", *map(str, command),
    ]  # fmt: skip


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder, with its size and when it was written."""
    return {
        str(path): (status.st_size, status.st_mtime_ns)
        for path in folder.rglob("*")
        if (status := path.lstat())
    }


def test_the_lock_file_installed_what_it_says(image: Path) -> None:
    listed = subprocess.run(
        [image / "venv/bin/python", "-m", "pip", "list", "--format=json"],
        env=clean(image),
        check=True,
        capture_output=True,
        text=True,
    )
    found = {row["name"].lower().replace("_", "-"): row["version"] for row in json.loads(listed.stdout)}
    for line in (TOP / "server" / "requirements-cpu.lock").read_text().splitlines():
        if "==" in line:
            name, _, version = line.rstrip(" \\").partition("==")
            assert found[name] == version
    subprocess.run([image / "venv/bin/python", "-m", "pip", "check"], env=clean(image), check=True)


def test_the_server_is_healthy_without_rights_in_a_tree_that_cannot_be_written(image: Path) -> None:
    work = image / "tmp"
    work.mkdir(exist_ok=True)
    os.chown(work, USER, USER)
    [entrypoint] = json.loads(all_of(CPU, "ENTRYPOINT")[0])
    check = json.loads(all_of(CPU, "HEALTHCHECK")[0].partition("CMD ")[2])
    port = free_port()
    file, secret = made_token(image, work)
    inside = environment(CPU)
    inside = {
        **clean(image),
        **inside,
        "HOME": "/nonexistent",
        "TMPDIR": str(work),
        "REMX_LISTEN": inside["REMX_LISTEN"].replace("50051", str(port)),
        "REMX_TOKEN_FILE": str(file),
    }
    refused = subprocess.run(as_user("touch", image / "venv" / "x"), env=inside, capture_output=True, cwd="/")
    assert refused.returncode != 0
    before = {name: snapshot(image / name) for name in ("venv", "python")}
    server = subprocess.Popen(
        as_user(image / "venv/bin" / entrypoint), env=inside, cwd="/", stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 60
        while subprocess.run(
            as_user(image / "venv/bin" / check[0], *check[1:]), env=inside, cwd="/"
        ).returncode:
            assert time.monotonic() < deadline
            assert server.poll() is None
        status = Path(f"/proc/{server.pid}/status").read_text()
        assert f"Uid:\t{USER}\t{USER}\t{USER}\t{USER}" in status
        assert "CapEff:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status
        examine(image, port, {**inside, "REMX_TOKEN": secret})
        server.send_signal(signal.SIGTERM)
        _, log = server.communicate(timeout=20)
        assert server.returncode == 0
        assert secret not in log
        assert "listening" in log
    finally:
        server.kill()
        server.communicate()
    assert {name: snapshot(image / name) for name in before} == before


def made_token(image: Path, work: Path) -> tuple[Path, str]:
    """A token file as the image's own command makes it, and the token."""
    file = work / "tokens"
    with file.open("w") as table:
        made = [image / "venv/bin/remx-server", "new-token", "alice"]
        shown = subprocess.run(
            made, env=clean(image), stdout=table, stderr=subprocess.PIPE, text=True, check=True
        )
    [secret] = re.findall(r"^remx-.{43}$", shown.stderr, re.MULTILINE)
    os.chown(file, USER, USER)
    return file, secret


def examine(image: Path, port: int, inside: Mapping[str, str]) -> None:
    """The image has the client too: its doctor finds the server in order."""
    doctor = as_user(image / "venv/bin/remx", "doctor", f"--server=127.0.0.1:{port}", "--json")
    ran = subprocess.run(doctor, env=inside, cwd="/", capture_output=True, text=True)
    found: dict[str, Any] = json.loads(ran.stdout)
    assert ran.returncode == 0, found
    assert {"contract", "session"} <= {check["name"] for check in found["checks"] if check["state"] == "ok"}
