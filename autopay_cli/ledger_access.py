"""The command line's way to a ledger: whose address, which certificate, and how its errors read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from autopay_cli import meshfile, own_identity
from autopay_cli.failure import Failure

if TYPE_CHECKING:
    from autopay_client import AsyncLedgerClient, LedgerClient

_TIMEOUT_S: Final = 3.0

Ledger = Annotated[
    str, typer.Option("--ledger", help="The ledger's HOST:PORT. Default: the running mesh's.", show_default=False)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerAccess:
    """A ledger to call.

    Attributes:
        target: its address.
        data_directory: where the running mesh says which certificate is ours.
    """

    target: str
    data_directory: Path

    @classmethod
    def of(cls, target: str, data_directory: Path) -> LedgerAccess:
        """Return the ledger at an address, else the running mesh's.

        Raises:
            Failure: neither is known.
        """
        return cls(target=target or meshfile.read(data_directory).ledger, data_directory=data_directory)

    @contextmanager
    def client(self) -> Iterator[LedgerClient]:
        """Yield a client; its errors leave the context as Failures."""
        from autopay_client import LedgerClient

        tls = own_identity.tls(self.data_directory)
        with self.explaining(), LedgerClient(self.target, tls=tls, timeout_s=_TIMEOUT_S) as client:
            yield client

    def async_client(self, *, timeout_s: float = _TIMEOUT_S) -> AsyncLedgerClient:
        """Return a client for the running event loop; use it inside `explaining`."""
        from autopay_client import AsyncLedgerClient

        return AsyncLedgerClient(self.target, tls=own_identity.tls(self.data_directory), timeout_s=timeout_s)

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Turn the client's errors into sentences.

        Raises:
            Failure: a call failed.
        """
        from autopay_client import LedgerError

        try:
            yield
        except LedgerError as error:
            if error.retryable and not error.reason:
                raise Failure(
                    f"the ledger at {self.target} does not answer: start the mesh with `autopay up`, or see "
                    "`autopay doctor`."
                ) from error
            raise Failure(error.message) from error
