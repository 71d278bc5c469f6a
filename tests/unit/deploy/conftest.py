"""The manifests as kustomize builds them, once for all tests that look at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.k8s import check

Resources = Sequence[dict[str, Any]]


@cache
def _built(name: str) -> Resources:
    return list(yaml.safe_load_all(check.build(check.HERE / Path(name))))


@pytest.fixture(scope="session")
def built() -> Callable[[str], Resources]:
    """Returns the resources of a build: `built("overlays/production")`."""
    return _built
