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


def composer() -> list[str] | None:
    """Return Compose as a command: Docker's plugin, or what Debian has of it; neither asks a daemon for this."""
    for command in (["docker", "compose"], ["docker-compose"]):
        found = shutil.which(command[0])
        if found and not subprocess.run([*command, "version"], capture_output=True, check=False).returncode:
            return command
    return None


COMPOSER = composer()
needs_compose = pytest.mark.skipif(COMPOSER is None, reason="no Compose is installed (Debian: docker-compose)")


def read_by_compose(text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Let Compose read a file that stands where ours does."""
    # The first key is newer than what Debian has, and says only what the project is called.
    given = re.sub(r"^name:.*\n", "", text, flags=re.MULTILINE)
    directory = ["--project-directory", str(FILE.parent), "--project-name", "autopay", "--file", "-"]
    assert COMPOSER is not None
    return subprocess.run(
        [*COMPOSER, *directory, "config"],
        input=given,
        env={"PATH": "/usr/bin:/usr/local/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@needs_compose
def test_compose_takes_it() -> None:
    """Compose's own reading finds nothing wrong, and resolves every service and its variables."""
    done = read_by_compose(FILE.read_text(), HMAC_SECRET_KEY="known")
    assert done.returncode == 0, done.stderr
    resolved = yaml.safe_load(done.stdout)["services"]
    assert set(resolved) == set(SERVICES)
    assert resolved["edge"]["environment"]["HMAC_SECRET_KEY"] == "known"
    assert resolved["insight"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4317"


@needs_compose
@pytest.mark.parametrize(
    ("wrong", "right"), [("service_helthy", "service_healthy"), ("readonly: true", "read_only: true")]
)
def test_compose_refuses_what_it_does_not_know(wrong: str, right: str) -> None:
    """The check can fail: a mistyped key or condition is named."""
    done = read_by_compose(FILE.read_text().replace(right, wrong), HMAC_SECRET_KEY="known")
    assert done.returncode != 0
    assert wrong.partition(":")[0] in done.stderr


@needs_compose
def test_compose_demands_a_secret() -> None:
    """Without one it says how to make it."""
    done = read_by_compose(FILE.read_text())
    assert done.returncode != 0
    assert "openssl rand -hex 32" in done.stderr
