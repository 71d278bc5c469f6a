"""Sends the cases to a receiver, one after the other, and judges its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from autopay_cli.conformance.cases import Case, Expected
from autopay_cli.failure import Failure

if TYPE_CHECKING:
    import aiohttp

_ANSWER_S_MAX: Final = 30.0
# A wrong address or method, which would make every refusal look right.
_NOT_THERE: Final = frozenset({404, 405, 410})


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a case.

    Attributes:
        case: its name.
        expected: what a receiver must do.
        got: the HTTP status, or why there was no answer; empty where it was skipped.
        ok: whether that is as it must be; a skipped case is.
        skipped: why it was not sent.
    """

    case: str
    expected: str
    got: str = ""
    ok: bool = True
    skipped: str = ""


async def ask(url: str, cases: Sequence[Case]) -> Sequence[Result]:
    """Send every case that has a request; return a result for each case, in order.

    Raises:
        Failure: nobody answers at the first one.
    """
    import aiohttp

    results: list[Result] = []
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S_MAX)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for case in cases:
            if case.request is None:
                result = Result(case=case.name, expected=case.expected, skipped=case.skipped)
            else:
                result = await _sent(session, url, case, is_first=not any(each.got for each in results))
            results.append(result)
    return results


async def _sent(session: aiohttp.ClientSession, url: str, case: Case, *, is_first: bool) -> Result:
    import aiohttp
    from multidict import CIMultiDict

    assert case.request is not None  # noqa: S101 - the caller has looked
    headers = CIMultiDict(case.request.headers)
    headers.setdefault("Content-Type", "application/json")
    try:
        async with session.post(url, data=case.request.body, headers=headers, allow_redirects=False) as response:
            await response.read()
            status = response.status
    except aiohttp.InvalidURL as error:
        raise Failure(f"{url!r} is no URL: expected http://HOST:PORT/PATH.") from error
    except (aiohttp.ClientError, TimeoutError) as error:
        if is_first:
            raise Failure(f"nobody answers at {url} ({str(error) or type(error).__name__}).") from error
        return Result(case=case.name, expected=case.expected, got=f"no answer ({type(error).__name__})", ok=False)
    return Result(case=case.name, expected=case.expected, got=str(status), ok=fits(status, case.expected))


def fits(status: int, expected: Expected) -> bool:
    """Tell whether a status is what a receiver must answer; a server's error never is."""
    accepted = 200 <= status < 300  # noqa: PLR2004 - HTTP's own numbers
    refused = 400 <= status < 500 and status not in _NOT_THERE  # noqa: PLR2004 - the same
    if expected is Expected.ANSWERED:
        return accepted or refused
    return accepted if expected is Expected.ACCEPTED else refused
