"""The command line's way to insight: whose address, which certificate, and how its errors read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autopay_cli import meshfile, own_identity
from autopay_cli.failure import Failure

if TYPE_CHECKING:
    from autopay.insight.v1 import insight_pb2_grpc

Insight = Annotated[
    str, typer.Option("--insight", help="Insight's HOST:PORT. Default: the running mesh's.", show_default=False)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class InsightAccess:
    """An insight to call.

    Attributes:
        target: its address.
        data_directory: where the running mesh says which certificate is ours.
    """

    target: str
    data_directory: Path

    @classmethod
    def of(cls, target: str, data_directory: Path) -> InsightAccess:
        """Return the insight at an address, else the running mesh's.

        Raises:
            Failure: neither is known.
        """
        return cls(target=target or meshfile.read(data_directory).insight, data_directory=data_directory)

    @contextmanager
    def stub(self) -> Iterator[insight_pb2_grpc.InsightServiceStub]:
        """Yield a stub; what fails leaves the context as a sentence.

        Raises:
            Failure: a call failed.
        """
        import grpc
        from autopay.insight.v1 import insight_pb2_grpc

        from mesh.errors import from_rpc_error

        tls = own_identity.tls(self.data_directory)
        channel = grpc.secure_channel(self.target, tls.credentials()) if tls else grpc.insecure_channel(self.target)
        with channel:
            try:
                yield insight_pb2_grpc.InsightServiceStub(channel)
            except grpc.RpcError as error:
                fault = from_rpc_error(error)  # type: ignore[arg-type] # a blocking call's error has the same methods
                raise Failure(fault.message or f"insight at {self.target} does not answer.") from error
