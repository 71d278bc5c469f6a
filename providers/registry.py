"""Finds the providers: every module of this package that has a PROVIDER."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import providers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from providers.contract import Provider


def load() -> Mapping[str, Provider]:
    """Import every provider and return them by name."""
    found: dict[str, Provider] = {}
    for module_info in pkgutil.iter_modules(providers.__path__):
        module = importlib.import_module(f"providers.{module_info.name}")
        provider: Provider | None = getattr(module, "PROVIDER", None)
        if provider is not None:
            found[provider.name] = provider
    return found
