"""The conventional service: FastAPI as its documentation teaches it, one payment per request, find then insert.

Typed headers, body and answer, the signature in a dependency, one JSON line of log per webhook (the mesh writes one,
too), and uvicorn's own access log off.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import logging
import os
import time
from collections.abc import AsyncIterator
from typing import Annotated

from beanie import init_beanie
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import DuplicateKeyError

from bench.conventional.document import Answer, Payment, Transaction

DATABASE = "conventional"
WEBHOOK_AGE_S_MAX = 300

_log = logging.getLogger("conventional")


class JsonLines(logging.Formatter):
    """One line of JSON per record, with what was given as `extra={"fields": …}`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = getattr(record, "fields", {})
        return json.dumps({"ts": record.created, "level": record.levelname, "event": record.getMessage(), **fields})


async def signed(
    request: Request,
    x_signature: Annotated[str, Header()],
    x_timestamp: Annotated[int, Header()],
) -> None:
    """Refuse a request that is not signed, or not recently."""
    if abs(time.time() - x_timestamp) > WEBHOOK_AGE_S_MAX:
        raise HTTPException(status_code=408, detail="stale timestamp")
    content = f"{x_timestamp}.".encode() + await request.body()
    expected = hmac.new(request.app.state.secret, content, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), x_signature.encode()):
        raise HTTPException(status_code=403, detail="invalid signature")


async def record(payment: Payment) -> str:
    """Store a payment unless it is known already, and name the outcome."""
    if await Transaction.find_one(Transaction.tx_id == payment.tx_id) is not None:
        return "already_processed"
    try:
        await Transaction(**payment.model_dump()).insert()
    except DuplicateKeyError:
        return "already_processed"
    return "processed"


def create() -> FastAPI:
    """Build the application; its settings are MONGO_URL and HMAC_SECRET_KEY."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        client = AsyncIOMotorClient[dict[str, object]](
            os.environ["MONGO_URL"], minPoolSize=2, maxPoolSize=10, w=1, tz_aware=True
        )
        await init_beanie(database=client[DATABASE], document_models=[Transaction])
        yield
        client.close()

    application = FastAPI(lifespan=lifespan)
    application.state.secret = os.environ["HMAC_SECRET_KEY"].encode()

    @application.post("/webhook/payment", dependencies=[Depends(signed)])
    async def receive(payment: Payment) -> Answer:
        started = time.perf_counter()
        status = await record(payment)
        duration_ms = round((time.perf_counter() - started) * 1000, 3)
        _log.info("webhook", extra={"fields": {"tx_id": payment.tx_id, "outcome": status, "duration_ms": duration_ms}})
        return Answer(status=status, tx_id=payment.tx_id)

    return application
