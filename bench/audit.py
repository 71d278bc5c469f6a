"""Checks that what was measured really happened: everything accepted is stored, on equal databases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """One server's account over all its windows, warm-up included.

    Attributes:
        server: its name.
        accepted: requests answered below 400.
        issued: requests the driver sent, among them a few cut off when a window ended.
        stored: payments in its database afterwards; None if it stores none.
        mongod_options: what its mongod was told at its start.
        complaints: what the driver saw going wrong.
        traces: sampled webhooks and spans that reached the trace receiver; None where there is none.
    """

    server: str
    accepted: int
    issued: int
    stored: int | None
    mongod_options: Mapping[str, Any]
    complaints: Sequence[str]
    traces: Mapping[str, int] | None = None

    def problems(self) -> list[str]:
        """Say everything that makes this server's figures unfit to quote."""
        found = [*self.complaints]
        # Cut-off requests may or may not have been stored: between accepted and sent, every count is right.
        if self.stored is not None and not self.accepted <= self.stored <= self.issued:
            found.append(f"accepted {self.accepted}, stored {self.stored}, sent {self.issued}")
        if self.traces is not None and self.traces["traces"] == 0:
            found.append("no trace reached the receiver, so tracing was off")
        return [f"{self.server}: {problem}" for problem in found]


def problems(audits: Sequence[Audit]) -> list[str]:
    """Say everything that makes this run unfit to quote."""
    found = [problem for audit in audits for problem in audit.problems()]
    databases = [audit for audit in audits if audit.mongod_options]
    found += [
        f"{audit.server}: its mongod was started with other options than {databases[0].server}'s"
        for audit in databases
        if audit.mongod_options != databases[0].mongod_options
    ]
    return list(dict.fromkeys(found))
