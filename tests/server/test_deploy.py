"""What is deployed around the server: lock files, Prometheus' configuration, the dashboard."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from remx_server.backend import Devices
from remx_server.config import Config
from remx_server.metrics import registry
from remx_server.owners import Owner
from remx_server.service import Service
from support.dockerfile import all_of, stages
from support.wire import Wire, stream_of

if sys.version_info >= (3, 11):
    import tomllib

TOP = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((TOP / "docker-compose.yml").read_text())
DASHBOARD: dict[str, Any] = json.loads((TOP / "deploy/grafana/dashboards/remx.json").read_text())
LOCKS = {
    "build": (["server/requirements-build.in"], []),
    "cpu": (["pyproject.toml"], ["--extra", "server"]),
    "cuda12": (["pyproject.toml", "server/requirements-cuda12.in"], ["--extra", "cuda12"]),
}
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


# Lock files.


def pins(name: str) -> dict[str, tuple[Version, list[str], str]]:
    """A lock file: package -> version, hashes, and whose requirement it is."""
    found: dict[str, tuple[Version, list[str], str]] = {}
    for block in re.split(r"\n(?=\w)", (TOP / f"server/requirements-{name}.lock").read_text().strip()):
        head, *rest = block.splitlines()
        package, _, version = head.rstrip(" \\").partition("==")
        hashes = [line.strip(" \\") for line in rest if "--hash=" in line]
        via = "\n".join(line for line in rest if line.strip().startswith("#"))
        found[canonicalize_name(package.partition("[")[0])] = (Version(version), hashes, via)
    return found


def declared(name: str) -> list[Requirement]:
    """What a lock file has to satisfy, for the image's Python."""
    if name == "build":
        texts = (TOP / "server/requirements-build.in").read_text().splitlines()
    else:
        project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
        extras = project["optional-dependencies"]
        texts = [*project["dependencies"], *extras["server"]]
        if name == "cuda12":
            texts += [*extras["cuda12"], *(TOP / "server/requirements-cuda12.in").read_text().splitlines()]
    found = [Requirement(text) for text in texts]
    image = {"python_version": "3.12", "extra": ""}
    return [
        each for each in found if each.name != "remx" and (each.marker is None or each.marker.evaluate(image))
    ]


needs_toml = pytest.mark.skipif(sys.version_info < (3, 11), reason="reads pyproject.toml with tomllib")


@needs_toml
@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_satisfies_what_is_declared_and_nothing_else_asks_for_more(name: str) -> None:
    found = pins(name)
    for requirement in declared(name):
        version = found[canonicalize_name(requirement.name)][0]
        assert requirement.specifier.contains(version), requirement
    direct = {package for package, (_, _, via) in found.items() if re.search(r"pyproject|server/req", via)}
    assert direct == {canonicalize_name(requirement.name) for requirement in declared(name)}


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_hashes_and_a_reason(name: str) -> None:
    for package, (_, hashes, via) in pins(name).items():
        assert hashes, package
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes), package
        assert "via" in via, package


def test_both_images_have_the_same_server() -> None:
    cpu, cuda = pins("cpu"), pins("cuda12")
    assert {package: cuda[package][0] for package in cpu} == {package: pin[0] for package, pin in cpu.items()}
    # An image for two kinds of processor needs the files of both.
    assert len(cpu["grpcio"][1]) > 10


def test_the_lock_files_are_for_the_python_of_the_image() -> None:
    base = stages(TOP / "server" / "Dockerfile")["base"][0][1]
    [version] = re.findall(r"python:(\d+\.\d+)\.\d+-slim", base)
    assert f"--python-version {version} " in (TOP / "Makefile").read_text()


@pytest.mark.long
@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_is_what_make_lock_writes(name: str, tmp_path: Path) -> None:
    pytest.importorskip("uv")
    lock = tmp_path / "lock"
    lock.write_text((TOP / f"server/requirements-{name}.lock").read_text())
    sources, extras = LOCKS[name]
    line = next(line for line in (TOP / "Makefile").read_text().split("LOCK := ")[1:])
    options = (
        re.sub(r"\\\n", " ", line).split("\n")[0].replace("$(BIN)/python -m uv", "").replace("$(UPGRADE)", "")
    )
    command = [sys.executable, "-m", "uv", *options.split(), *sources, *extras, "-o", str(lock)]
    subprocess.run(command, cwd=TOP, check=True)
    assert lock.read_text() == (TOP / f"server/requirements-{name}.lock").read_text()


# Prometheus and Grafana.


@pytest.fixture(scope="module")
def metrics() -> dict[str, set[str]]:
    """Every sample's name that a server with a session gives, and the labels that it has."""
    service = Service(Config(device="cpu"), Devices("cpu"))
    wire = Wire(stream_of(service, Owner("alice")))
    wire.op("gather_nd", wire.put([1]), wire.put([[7]]))
    wire.settle()
    text = generate_latest(registry(service, service.traffic)).decode()
    wire.close()
    service.drain(1)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


_FUNCTIONS = {
    "sum", "max", "rate", "increase", "histogram_quantile", "topk", "time", "by",
}  # fmt: skip


def names_in(query: str) -> tuple[set[str], set[str]]:
    """The metrics that a query reads, and the labels that it groups by."""
    labels = {label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")}
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)|\b\d+(\.\d+)?\b", " ", query)
    return set(re.findall(r"[a-z_][a-z0-9_]*", bare)) - _FUNCTIONS, labels


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_of_the_dashboard_names_what_there_is(query: str, metrics: dict[str, set[str]]) -> None:
    names, labels = names_in(query)
    assert names
    assert names <= metrics.keys()
    for name in names:
        assert labels <= metrics[name], name


def test_the_operators_page_lists_the_metrics_that_there_are(metrics: dict[str, set[str]]) -> None:
    page = (TOP / "docs/operating.md").read_text()
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| `remx_")]
    told = {name: labels for names, labels in rows for name in re.findall(r"`(\w+)`", names)}
    there = {re.sub(r"_(bucket|count|sum)$", "", name): labels for name, labels in metrics.items()}
    assert told.keys() == {name for name in there if name.startswith("remx_")}
    for name, labels in told.items():
        assert {label.strip() for label in labels.split(",") if label.strip()} == there[name] - {"le"}, name


def test_names_are_found_in_queries() -> None:
    query = 'histogram_quantile(0.95, sum by (le, a) (rate(x_bucket{job="y"}[5m]))) - time() * 60'
    assert names_in(query) == ({"x_bucket"}, {"le", "a"})


def test_legends_show_labels_that_the_query_keeps(metrics: dict[str, set[str]]) -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            names, labels = names_in(target["expr"])
            kept = labels or set.intersection(*(metrics[name] for name in names))
            assert set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))) <= kept, target


def test_the_dashboard_s_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


def test_what_is_provisioned_fits_together() -> None:
    services = COMPOSE["services"]
    mounts = {
        name: dict(volume.split(":")[:2] for volume in services[name]["volumes"])
        for name in ("prometheus", "grafana")
    }
    for sources in mounts.values():
        for source in sources:
            assert source in COMPOSE["volumes"] or (TOP / source).exists(), source
    provisioning = TOP / "deploy/grafana/provisioning"
    [source] = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}
    [provider] = yaml.safe_load((provisioning / "dashboards/remx.yml").read_text())["providers"]
    assert provider["options"]["path"] in mounts["grafana"].values()
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/remx.json"


def test_prometheus_asks_the_servers_of_the_compose_file() -> None:
    config = yaml.safe_load((TOP / "deploy/prometheus/prometheus.yml").read_text())
    [job] = config["scrape_configs"]
    [discovery] = job["dns_sd_configs"]
    servers = {name for name, service in COMPOSE["services"].items() if "build" in service}
    assert set(discovery["names"]) == servers
    for name in servers:
        port = COMPOSE["services"][name]["environment"]["REMX_METRICS"].rpartition(":")[2]
        assert port == str(discovery["port"])
    # The dashboard counts the server's own process by this name.
    assert all(f'job="{job["job_name"]}"' in query for query in QUERIES if "process_" in query)


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_images_of_others_have_a_version(name: str) -> None:
    assert re.search(r":v?\d+\.\d+\.\d+$", COMPOSE["services"][name]["image"])


def test_the_image_exposes_what_the_compose_file_publishes() -> None:
    [exposed] = all_of(stages(TOP / "server" / "Dockerfile")["cpu"], "EXPOSE")
    assert {port.rpartition(":")[2] for port in COMPOSE["services"]["remx"]["ports"]} == set(exposed.split())
