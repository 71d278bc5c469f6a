"""One payment as the conventional service validates and stores it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

from beanie import Document
from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

Account = Annotated[str, Field(min_length=1, max_length=50, pattern=r"^[A-Za-z0-9_-]+$")]
Status = Literal["pending", "authorized", "success", "failed", "canceled"]


class Payment(BaseModel):
    """The webhook's body."""

    tx_id: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]
    amount: Annotated[float, Field(gt=0)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    sender_account: Account
    receiver_account: Account
    status: Status = "success"
    description: Annotated[str | None, Field(max_length=500)] = None


class Answer(BaseModel):
    """What the sender is told."""

    status: str
    tx_id: str


class Transaction(Document):
    """The stored payment, with the five indexes of the product's specification."""

    tx_id: str
    amount: float
    currency: str
    sender_account: str
    receiver_account: str
    status: str
    description: str | None = None
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    class Settings:
        """Where it is stored, and how it is found."""

        name = "transactions"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel([("tx_id", ASCENDING)], unique=True),
            IndexModel([("sender_account", ASCENDING)]),
            IndexModel([("receiver_account", ASCENDING)]),
            IndexModel([("status", ASCENDING)]),
            IndexModel([("created_at", DESCENDING)]),
        ]
