"""The settings of trust: where a process's certificate lies, and where plaintext may be spoken instead."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

if TYPE_CHECKING:
    from mesh.settings import MeshSettings

_SCHEMES: Final = ("dns:///", "dns:", "ipv4:", "ipv6:")


def tls_certificate(process: str) -> Any:
    """Return the field `<PROCESS>_TLS_CERT`."""
    return Field(
        default="",
        validation_alias=f"{process}_TLS_CERT",
        description="PEM file of this process's certificate (and its chain), with a SPIFFE URI and the DNS names it is "
        "called by; read again when it changes. Unset is plaintext, on loopback in development only.",
    )


def tls_key(process: str) -> Any:
    """Return the field `<PROCESS>_TLS_KEY`."""
    return Field(
        default="",
        validation_alias=f"{process}_TLS_KEY",
        description="PEM file of the certificate's private key, without a password.",
    )


def tls_authorities(process: str) -> Any:
    """Return the field `<PROCESS>_TLS_CA`."""
    return Field(
        default="",
        validation_alias=f"{process}_TLS_CA",
        description="PEM file of the authorities whose certificates are believed; several while one replaces another.",
    )


def health_address(process: str) -> Any:
    """Return the field `<PROCESS>_HEALTH_BIND`."""
    return Field(
        default="",
        validation_alias=f"{process}_HEALTH_BIND",
        description="Where grpc.health.v1, and nothing else, is served without TLS, for Kubernetes probes, host:port; "
        "empty is off.",
    )


def check_plaintext(settings: MeshSettings, *addresses: str) -> None:
    """Refuse settings that would speak plaintext where it isn't allowed.

    Args:
        settings: with the fields tls_cert, tls_key and tls_ca.
        addresses: names of the fields that say where the mesh's gRPC is served or called.

    Raises:
        ValueError: naming the variables to set.
    """
    names = {field: _variable(settings, field) for field in ("tls_cert", "tls_key", "tls_ca")}
    unset = [name for field, name in names.items() if not getattr(settings, field)]
    if not unset:
        return
    every = ", ".join(names.values())
    if len(unset) < len(names):
        raise ValueError(f"{every} belong together; not set: {', '.join(unset)}")
    if settings.production:
        raise ValueError(f"{every} must be set in production, which speaks no plaintext")
    if settings.allow_plaintext:
        return
    for field in addresses:
        address = getattr(settings, field)
        if not is_loopback(address):
            raise ValueError(
                f"{_variable(settings, field)} is {address}, beyond loopback, where plaintext is refused: set {every} "
                "(or AUTOPAY_ALLOW_PLAINTEXT=true where a service mesh encrypts, in development only)"
            )


def is_loopback(address: str) -> bool:
    """Return whether every address in a gRPC target or `host:port` is of this machine alone."""
    if address.startswith("unix:"):
        return True
    scheme = next((known for known in _SCHEMES if address.startswith(known)), "")
    return all(_is_loopback_host(each.rpartition(":")[0]) for each in address.removeprefix(scheme).split(","))


def _is_loopback_host(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _variable(settings: MeshSettings, field: str) -> str:
    return str(type(settings).model_fields[field].validation_alias)
