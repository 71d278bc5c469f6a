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
    return Resource.create().merge(ours).merge(OTELResourceDetector().detect())


@cache
def _instance() -> str:
    # Random: a process id means nothing in a container, where every one is 1.
    return str(uuid.uuid4())
