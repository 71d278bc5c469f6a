"""Who the command line is to a mesh under mutual TLS."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from autopay_cli import meshfile
from autopay_cli.certificates_directory import environment_of
from autopay_cli.failure import Failure

if TYPE_CHECKING:
    import grpc
    from autopay_client import Tls

    from mesh.identity import Identity

_NAME = "cli"


def tls(data_directory: Path) -> Tls | None:
    """Return the files of CLI_TLS_CERT, CLI_TLS_KEY and CLI_TLS_CA, else the running mesh's for us; None: plaintext.

    Raises:
        Failure: the files can't be used.
    """
    from autopay_client import Tls

    variables: Mapping[str, str] = {name: os.environ.get(name, "") for name in environment_of(Path(), _NAME)}
    if not any(variables.values()):
        variables = _of_mesh(data_directory)
    if not variables:
        return None
    # Reading them once finds what is wrong with them, in words.
    _of(variables)
    certificate, key, authorities = variables.values()
    return Tls(certificate=certificate, key=key, authorities=authorities)


def _of_mesh(data_directory: Path) -> Mapping[str, str]:
    try:
        certificates = meshfile.read(data_directory).certificates
    except Failure:
        return {}
    return environment_of(Path(certificates), _NAME) if certificates else {}


def of_directory(certificates: Path) -> Identity:
    """Return our identity in a directory that `autopay certs` filled.

    Raises:
        Failure: the files can't be used.
    """
    return _of(environment_of(certificates, _NAME))


def credentials_of(certificates: Path) -> grpc.ChannelCredentials:
    """Return credentials that show our certificate of such a directory.

    Raises:
        Failure: the files can't be used.
    """
    from mesh.reloading import channel_credentials

    return channel_credentials(of_directory(certificates).material)


def _of(variables: Mapping[str, str]) -> Identity:
    from mesh.identity import Identity, TlsFiles

    unset = [name for name, path in variables.items() if not path]
    if unset:
        raise Failure(f"{', '.join(variables)} belong together; not set: {', '.join(unset)}.")
    certificate, key, authorities = map(Path, variables.values())
    try:
        return Identity(TlsFiles(certificate=certificate, key=key, authorities=authorities))
    except ValueError as error:
        raise Failure(f"{error}: make new ones with `autopay certs`.") from error
