"""deploy/compose.yaml is a whole product: every process, real settings, nothing open that need not be."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mesh.settings import environment_names
from tests.unit.deploy.manifests import SETTINGS

FILE = Path(__file__).resolve().parents[3] / "deploy/compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (FILE.parent / "images/Dockerfile").read_text()
# Keys of the Compose specification that are used here; a mistyped one is none of them.
KNOWN = {
    *("build", "cap_drop", "command", "depends_on", "entrypoint", "environment", "extra_hosts", "healthcheck"),
    *("image", "network_mode", "networks", "ports", "read_only", "restart", "security_opt", "stop_grace_period"),
    *("user", "volumes"),
}


def test_it_brings_up_everything() -> None:
    """The four processes, three members of MongoDB, Redis and the collector."""
    assert {*SETTINGS, "mongo-1", "mongo-2", "mongo-3", "redis", "collector"} <= set(SERVICES)


def test_only_keys_of_the_specification_are_used() -> None:
    """A mistyped key would be refused or, worse, ignored."""
    assert set().union(*SERVICES.values()) <= KNOWN
    assert {key for key in COMPOSE if not key.startswith("x-")} == {"name", "services", "networks", "volumes"}


@pytest.mark.parametrize("process", SETTINGS)
def test_every_variable_of_a_process_is_a_setting(process: str) -> None:
    """What compose sets is what the process reads."""
    known = environment_names(SETTINGS[process])
    unknown = [name for name in SERVICES[process]["environment"] if name not in known and not name.startswith("OTEL_")]
    assert unknown == []


@pytest.mark.parametrize("process", SETTINGS)
def test_a_process_is_built_and_confined(process: str) -> None:
    """Each is a target of the one Dockerfile, with a read-only root and without privileges."""
    service = SERVICES[process]
    assert f" AS {service['build']['target']}\n" in DOCKERFILE
    assert (FILE.parent / service["build"]["context"] / service["build"]["dockerfile"]).exists()
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]


def test_what_is_referred_to_exists() -> None:
    """Every network, volume, dependency and mounted file is there."""
    for service in SERVICES.values():
        assert set(service.get("networks", [])) <= set(COMPOSE["networks"])
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (FILE.parent / source).exists()


def test_targets_are_services() -> None:
    """A target names a service here and the port that its image listens on."""
    for process in SETTINGS:
        for name, value in SERVICES[process]["environment"].items():
            if name.endswith("_TARGET"):
                called = re.fullmatch(r"dns:///([a-z]+):(\d+)", value)
                assert called is not None
                assert f"{called[1].upper()}_BIND=0.0.0.0:{called[2]}" in DOCKERFILE


def test_only_the_edge_is_published_and_only_here() -> None:
    """Nothing listens beyond loopback, and MongoDB and Redis have no way out or in."""
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"edge": ["127.0.0.1:8080:8080"]}
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert all(SERVICES[name]["networks"] == ["inside"] for name in ("mongo-1", "mongo-2", "mongo-3", "redis"))


def test_no_secret_has_a_default() -> None:
    """Compose refuses to start without a signing secret."""
    assert SERVICES["edge"]["environment"]["HMAC_SECRET_KEY"].startswith("${HMAC_SECRET_KEY:?")


def has_compose() -> bool:
    """Whether docker is here, with its plugin."""
    return (
        shutil.which("docker") is not None
        and not subprocess.run(
            ["docker", "compose", "version"],  # noqa: S607 - whichever docker is on PATH
            capture_output=True,
            check=False,
        ).returncode
    )


@pytest.mark.skipif(not has_compose(), reason="docker with its compose plugin is not installed")
def test_docker_takes_it() -> None:
    """Docker's own reading of the file finds nothing wrong."""
    command = ["docker", "compose", "--file", str(FILE), "config", "--quiet"]
    done = subprocess.run(
        command,
        env={"PATH": "/usr/bin:/usr/local/bin", "HMAC_SECRET_KEY": "x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
