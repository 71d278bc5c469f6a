"""What tests ask the built manifests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from edge.settings import EdgeSettings
from mesh.settings import MeshSettings
from services.ingest.settings import IngestSettings
from services.insight.settings import InsightSettings
from services.ledger.settings import LedgerSettings

SETTINGS: Final[Mapping[str, type[MeshSettings]]] = {
    "edge": EdgeSettings,
    "ingest": IngestSettings,
    "ledger": LedgerSettings,
    "insight": InsightSettings,
}

Resource = dict[str, Any]


def one(resources: Sequence[Resource], kind: str, name: str) -> Resource:
    """Return the resource of this kind and name."""
    (found,) = [each for each in resources if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def every(resources: Sequence[Resource], kind: str) -> Sequence[Resource]:
    """Return the resources of this kind."""
    return [each for each in resources if each["kind"] == kind]


def pod_of(resources: Sequence[Resource], process: str) -> Resource:
    """Return the pod specification of a process."""
    spec: Resource = one(resources, "Deployment", process)["spec"]["template"]["spec"]
    return spec


def container_of(resources: Sequence[Resource], process: str) -> Resource:
    """Return the container of a process."""
    (container,) = pod_of(resources, process)["containers"]
    found: Resource = container
    return found


def environment_of(resources: Sequence[Resource], process: str) -> dict[str, str]:
    """Return the variables that a process is started with, those from its ConfigMaps included."""
    container = container_of(resources, process)
    variables: dict[str, str] = {}
    for source in container["envFrom"]:
        variables |= one(resources, "ConfigMap", source["configMapRef"]["name"])["data"]
    for each in container.get("env", []):
        variables[each["name"]] = each.get("value", "")
    return variables


def ports_of(resources: Sequence[Resource], process: str) -> dict[str, int]:
    """Return the container's ports by their names."""
    return {each["name"]: each["containerPort"] for each in container_of(resources, process)["ports"]}
