"""The manifests say what the processes understand: real settings, ports that match, names that are believed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from deploy.k8s import check
from mesh.server import LIVENESS
from mesh.settings import environment_names
from tests.unit.deploy import manifests

Built = Callable[[str], Sequence[dict[str, Any]]]
PROCESSES = tuple(manifests.SETTINGS)
OVERLAYS = [path.name for path in check.overlays()]
COMPONENTS = [path.name for path in check.components()]
# Kubernetes' own, for OTEL_RESOURCE_ATTRIBUTES.
NOT_SETTINGS = {"POD_NAME"}


def load(environment: dict[str, str], process: str, directory: Path, patch: pytest.MonkeyPatch) -> Any:
    """Read a process's settings as its container would, each mounted secret holding something that could be one."""
    key = f"reader:{'0' * 64}:transactions-read"
    secrets = {"hmac_secret_key": "s" * 40, "edge_api_keys": key, "monitoring_api_key": "m" * 40, "body_keys": ""}
    for name in (*environment_names(manifests.SETTINGS[process]), *environment):
        patch.delenv(name, raising=False)
    for name, value in environment.items():
        if name.endswith("_FILE"):
            path = directory / Path(value).name
            path.write_text(secrets.get(path.name, "mongodb://db.example/autopay"))
            patch.setenv(name, str(path))
        else:
            patch.setenv(name, value)
    return manifests.SETTINGS[process].load()


def test_every_build_is_taken_by_two_kubernetes_versions(built: Built) -> None:
    """kubernetes-validate, strictly, finds nothing in any overlay or component."""
    names = [f"overlays/{name}" for name in OVERLAYS] + [f"components/{name}" for name in COMPONENTS]
    assert [line for name in names for line in check.problems(built(name))] == []


def test_an_unknown_field_is_a_problem(built: Built) -> None:
    """The check can fail: a field that Kubernetes doesn't know is named for each version."""
    service = dict(manifests.one(built("overlays/local"), "Service", "edge"))
    service["spec"] = {**service["spec"], "selectors": {}}
    assert len(list(check.problems([service]))) == len(check.MINORS)


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("process", PROCESSES)
def test_every_variable_is_a_setting(built: Built, overlay: str, process: str) -> None:
    """A setting that is renamed in the code or mistyped in a manifest is noticed."""
    known = set(environment_names(manifests.SETTINGS[process]))
    variables = set(manifests.environment_of(built(f"overlays/{overlay}"), process)) - NOT_SETTINGS
    unknown = {name for name in variables if name.removesuffix("_FILE") not in known and not name.startswith("OTEL_")}
    assert unknown == set()


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("process", PROCESSES)
def test_every_overlay_starts(
    built: Built, overlay: str, process: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings an overlay gives are accepted, and production's are production."""
    settings = load(manifests.environment_of(built(f"overlays/{overlay}"), process), process, tmp_path, monkeypatch)
    assert settings.production == (overlay == "production")


@pytest.mark.parametrize("process", PROCESSES)
def test_the_base_alone_is_refused(built: Built, process: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without certificates the processes don't start beyond loopback, so forgetting the component is noticed."""
    environment = manifests.environment_of(built("components/disruption-budgets"), process)
    with pytest.raises(ValueError, match="TLS_CERT"):
        load(environment, process, tmp_path, monkeypatch)


@pytest.mark.parametrize("process", PROCESSES)
def test_ports_are_those_of_the_settings(built: Built, process: str) -> None:
    """What a process binds is what its container, its Service and its probes name."""
    resources = built("overlays/production")
    environment, ports = manifests.environment_of(resources, process), manifests.ports_of(resources, process)
    bound = {int(value.rpartition(":")[2]) for name, value in environment.items() if name.endswith("_BIND")}
    assert set(ports.values()) == bound
    (served,) = manifests.one(resources, "Service", process)["spec"]["ports"]
    assert ports[served["targetPort"]] == served["port"]
    container = manifests.container_of(resources, process)
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[probe].get("grpc") or container[probe]["httpGet"]
        assert asked["port"] in (ports.get("health"), "admin")


def test_targets_are_services(built: Built) -> None:
    """Every target names a headless Service of ours and its port, through DNS so that each replica is seen."""
    resources = built("overlays/production")
    for process in PROCESSES:
        for name, value in manifests.environment_of(resources, process).items():
            if name.endswith("_TARGET"):
                target = re.fullmatch(r"dns:///([a-z]+):(\d+)", value)
                assert target is not None, value
                service = manifests.one(resources, "Service", target[1])["spec"]
                assert service["clusterIP"] == "None"
                assert service["ports"][0]["port"] == int(target[2])


@pytest.mark.parametrize("process", ["ingest", "ledger", "insight"])
def test_probes_tell_alive_from_ready(built: Built, process: str) -> None:
    """Liveness asks for the health that is true while the process answers, readiness for the whole server's."""
    container = manifests.container_of(built("overlays/production"), process)
    assert container["livenessProbe"]["grpc"]["service"] == LIVENESS
    assert container["startupProbe"]["grpc"]["service"] == LIVENESS
    assert "service" not in container["readinessProbe"]["grpc"]


@pytest.mark.parametrize("process", PROCESSES)
def test_the_drain_fits_into_the_grace_period(built: Built, process: str) -> None:
    """Kubernetes kills only after the pause, the notice and the grace have passed."""
    resources = built("overlays/production")
    environment = manifests.environment_of(resources, process)
    pause_s = manifests.container_of(resources, process)["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain_s = float(environment["AUTOPAY_DRAIN_NOTICE_S"]) + float(environment["AUTOPAY_DRAIN_GRACE_S"])
    assert pause_s >= 5
    assert manifests.pod_of(resources, process)["terminationGracePeriodSeconds"] > pause_s + drain_s


@pytest.mark.parametrize("process", PROCESSES)
def test_certificates_name_their_process(built: Built, process: str) -> None:
    """The one URI is the process's service account in this namespace, and the DNS names hold what others call it."""
    resources = built("overlays/production")
    certificate = manifests.one(resources, "Certificate", process)["spec"]
    namespace = manifests.one(resources, "Deployment", process)["metadata"]["namespace"]
    account = manifests.pod_of(resources, process)["serviceAccountName"]
    assert certificate["uris"] == [f"spiffe://cluster.local/ns/{namespace}/sa/{account}"]
    assert process in certificate["dnsNames"]
    volumes = {each["name"]: each for each in manifests.pod_of(resources, process)["volumes"]}
    assert volumes["certificates"]["secret"]["secretName"] == certificate["secretName"]


@pytest.mark.parametrize("process", PROCESSES)
def test_pods_are_restricted(built: Built, process: str) -> None:
    """What the restricted pod security standard demands, a read-only root, and no token."""
    pod = manifests.pod_of(built("overlays/production"), process)
    container = manifests.container_of(built("overlays/production"), process)
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_a_changed_setting_rolls_the_pods(built: Built) -> None:
    """The names of ConfigMaps carry the hash of their content, and the overlays' differ where their content does."""
    names = {
        overlay: manifests.container_of(built(f"overlays/{overlay}"), "edge")["envFrom"][0]["configMapRef"]["name"]
        for overlay in OVERLAYS
    }
    assert all(re.fullmatch(r"mesh-settings-[a-z0-9]{10}", name) for name in names.values())
    assert len(set(names.values())) == len(OVERLAYS)


def test_production_takes_images_by_digest(built: Built) -> None:
    """No tag can move under production."""
    images = [manifests.container_of(built("overlays/production"), each)["image"] for each in PROCESSES]
    assert all("@sha256:" in image for image in images)


def test_everything_is_denied_first_and_each_process_is_allowed_in_a_file_of_its_own(built: Built) -> None:
    """Nobody but the edge and ingest reaches a service that the allow-lists don't let them call."""
    resources = built("overlays/production")
    deny = manifests.one(resources, "NetworkPolicy", "deny-all")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    callers = {}
    for process in ("ingest", "ledger", "insight"):
        assert (check.HERE / f"components/network-policies/allow-{process}.yaml").exists()
        rules = manifests.one(resources, "NetworkPolicy", f"allow-{process}")["spec"]["ingress"]
        callers[process] = {
            peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
            for rule in rules
            for peer in rule["from"]
            if "podSelector" in peer
        }
    assert callers == {
        "ingest": {"edge"},
        "ledger": {"edge", "ingest", "insight"},
        "insight": {"edge", "ingest"},
    }


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_component_explains_itself(component: str) -> None:
    """Each has a README that says what it is and what it needs."""
    text = (check.HERE / "components" / component / "README.md").read_text()
    assert text.startswith(f"# {component}\n")
    assert "\n## Needs\n" in text
