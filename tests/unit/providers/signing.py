"""Signs native requests in each of the three forms, independently of the code under test."""

from __future__ import annotations

import hashlib
import hmac
import json

from multidict import CIMultiDict, CIMultiDictProxy

from providers.contract import Secret, Window

NOW_S = 1_700_000_000
SECRET = Secret("current", "s3cret-of-the-tests-0123456789abcdef")
OLD_SECRET = Secret("previous", "an-older-secret-0123456789abcdefgh")
WINDOW = Window(age_s_max=300, skew_s_max=5)


def hexdigest(signed: bytes, secret: Secret = SECRET) -> str:
    """HMAC-SHA256 in lower-case hex."""
    return hmac.new(secret.value.encode(), signed, hashlib.sha256).hexdigest()


def headers(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    """Headers as aiohttp has them."""
    return CIMultiDictProxy(CIMultiDict(pairs))


def signed_headers(body: bytes, *, timestamp: str = str(NOW_S), secret: Secret = SECRET) -> CIMultiDictProxy[str]:
    """The two headers of the first form."""
    return headers(("X-Timestamp", timestamp), ("X-Signature", hexdigest(timestamp.encode() + b"." + body, secret)))


def signed_inside(fields: dict[str, object], *, secret: Secret = SECRET) -> bytes:
    """A body of the third form; its fields are such that sorted compact JSON is their canonical form."""
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return json.dumps({**fields, "signature": hexdigest(canonical, secret)}).encode()
