"""The conventional service: verify, validate, look the payment up, insert it, answer."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import time
from typing import TYPE_CHECKING

from beanie import init_beanie
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import ValidationError
from pymongo.errors import DuplicateKeyError

from bench.conventional.document import Payment, Transaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DATABASE = "conventional"
WEBHOOK_AGE_S_MAX = 300


def verified(body: bytes, request: Request, secret: bytes) -> bool:
    """Say whether the body is signed, and recently."""
    timestamp = request.headers.get("X-Timestamp", "")
    signature = request.headers.get("X-Signature", "")
    if not (timestamp.isascii() and timestamp.isdigit()):
        return False
    if abs(time.time() - int(timestamp)) > WEBHOOK_AGE_S_MAX:
        return False
    expected = hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode())


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
    secret = os.environ["HMAC_SECRET_KEY"].encode()

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        client = AsyncIOMotorClient[dict[str, object]](
            os.environ["MONGO_URL"], minPoolSize=2, maxPoolSize=10, w=1, tz_aware=True
        )
        await init_beanie(database=client[DATABASE], document_models=[Transaction])
        yield
        client.close()

    application = FastAPI(lifespan=lifespan)

    @application.post("/webhook/payment")
    async def receive(request: Request) -> Response:
        body = await request.body()
        if not verified(body, request, secret):
            raise HTTPException(status_code=403, detail="invalid signature")
        try:
            payment = Payment.model_validate_json(body)
        except ValidationError as invalid:
            raise HTTPException(status_code=422, detail=invalid.errors(include_url=False)) from invalid
        return JSONResponse({"status": await record(payment), "tx_id": payment.tx_id})

    return application
