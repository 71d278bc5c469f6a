"""The way to the ledger: every healthy replica in turn, over mutual TLS whose certificate may change meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from autopay.ledger.v1 import ledger_pb2_grpc

SERVICE: Final = "autopay.ledger.v1.LedgerService"
_MESSAGE_BYTES_MAX: Final = 8 * 1024 * 1024
_OPTIONS: Final[Sequence[tuple[str, Any]]] = (
    (
        "grpc.service_config",
        json.dumps({"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": SERVICE}}),
    ),
    # Retries are the client's own: gRPC's stop without a word for messages over their buffer.
    ("grpc.enable_retries", 0),
    # What the server allows; a dead connection is noticed within 25 s, a stream on it included.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.dns_min_time_between_resolutions_ms", 2_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # How long one attempt to connect may take.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.max_send_message_length", _MESSAGE_BYTES_MAX),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
    ("grpc.primary_user_agent", "autopay-client/0.1"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Who the caller is, and whom it believes: paths of PEM files.

    Attributes:
        certificate: the caller's certificate, its chain after it.
        key: the certificate's private key, without a password.
        authorities: the authorities that sign the ledger's certificate.
    """

    certificate: str | Path
    key: str | Path
    authorities: str | Path

    def credentials(self) -> grpc.ChannelCredentials:
        """Return what is in the files now.

        Raises:
            OSError: one can't be read.
        """
        return grpc.ssl_channel_credentials(
            root_certificates=Path(self.authorities).read_bytes(),
            private_key=Path(self.key).read_bytes(),
            certificate_chain=Path(self.certificate).read_bytes(),
        )

    def state(self) -> tuple[tuple[int, int], ...]:
        """Return what differs once one of the files was replaced.

        Raises:
            OSError: one isn't there.
        """
        stats = [Path(path).stat() for path in (self.certificate, self.key, self.authorities)]
        return tuple((stat.st_mtime_ns, stat.st_size) for stat in stats)


class Channels:
    """One channel, and another one once the certificate was renewed. Threads may share it."""

    def __init__(self, target: str, tls: Tls | None, *, kind: Any) -> None:
        """Open channels of `kind`: the module grpc, or grpc.aio."""
        self._target = target
        self._tls = tls
        self._kind = kind
        self._state = tls.state() if tls else ()
        self._lock = threading.Lock()
        # Calls may still be out on a channel that was replaced, so each is closed at the end.
        self.opened = [self._open()]
        self.stub: Any = ledger_pb2_grpc.LedgerServiceStub(self.opened[-1])

    def renew(self) -> None:
        """Open another channel where the files of the certificate have changed; call it when a call failed."""
        if self._tls is None:
            return
        with self._lock:
            try:
                state = self._tls.state()
                if state == self._state:
                    return
                self.opened.append(self._open())
            except OSError:
                # In the middle of being replaced; the next failure looks again.
                return
            self._state = state
            self.stub = ledger_pb2_grpc.LedgerServiceStub(self.opened[-1])

    def _open(self) -> Any:
        if self._tls is None:
            return self._kind.insecure_channel(self._target, options=_OPTIONS)
        return self._kind.secure_channel(self._target, self._tls.credentials(), options=_OPTIONS)
