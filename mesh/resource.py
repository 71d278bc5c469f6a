"""Who tells something: one identity of the process on its traces, metrics and logs."""

from __future__ import annotations

import importlib.metadata
import os
import uuid
from functools import cache

from opentelemetry.sdk.resources import OTELResourceDetector, Resource


def describe(process: str) -> Resource:
    """Return the resource of this process; what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say goes before."""
    ours = Resource(
        {
            "service.name": f"autopay-{process}",
            "service.namespace": "autopay",
            "service.version": importlib.metadata.version("autopay-mesh"),
            "service.instance.id": _instance(),
            "deployment.environment.name": os.environ.get("AUTOPAY_ENV") or "development",
        }
    )
    return _HashedOnce(Resource.create().merge(ours).merge(OTELResourceDetector().detect()))


class _HashedOnce(Resource):
    """A resource whose hash is known: the SDK's writes its attributes as JSON for it, and an export asks per span."""

    def __init__(self, resource: Resource) -> None:
        super().__init__(resource.attributes, resource.schema_url)
        self._hash = super().__hash__()

    def __eq__(self, other: object) -> bool:
        return self is other or super().__eq__(other)

    def __hash__(self) -> int:
        return self._hash


@cache
def _instance() -> str:
    # Random: a process id means nothing in a container, where every one is 1.
    return str(uuid.uuid4())
