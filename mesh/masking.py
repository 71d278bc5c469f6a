"""What may stand in no log, span or error answer, replaced by a mark that says what was there.

Three ways to know it: by the name of its field, by what it looks like, and, for the secrets of this process, by being
exactly that. What looks like nothing in particular, as an account or an id of a payment does, is known by its field
alone: texts that code writes must not repeat it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping

# Fields that we fill with words, numbers and ids of our own: looking into them would cost every line something.
SAFE_FIELDS: Final = frozenset(
    {
        "autopay.disposition", "autopay.outcome", "autopay.risk.level", "autopay.risk.reasons", "autopay.risk.score",
        "autopay.source", "db.operation.batch.size", "db.system.name", "duration_ms", "http.request.method",
        "http.response.status_code", "key_id", "level", "outcome", "process", "request_id", "route", "source", "status",
        "trace_id", "ts",
    }
)  # fmt: skip
# Whose content is replaced whatever it is.
_PRIVATE: Final = re.compile(
    r"(^|[._])(tx_?ids?|account|sender|receiver|aliases|email|iban|card|pan|body|payload|headers?|cookie|authorization"
    r"|password|secret|signature|token|api_?key|x-[a-z-]+|prompt)$",
    re.IGNORECASE,
)
_SECRET_CHARACTERS_MIN: Final = 8
_SECRETS_MAX: Final = 1_024
_REMEMBERED_CHARACTERS_MAX: Final = 500
_HASH_CHARACTERS_SHOWN: Final = 8
# Two letters, two digits, and at least eleven of the account.
_IBAN_CHARACTERS: Final = (15, 34)
_CARD_DIGITS: Final = (13, 19)

_LOOKS: Final = re.compile(
    r"""
    (?P<userinfo>(?<=://)[^\s/@:]*:[^\s/@]+(?=@))
  | (?P<bearer>(?i:\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,})
  | (?P<secret>\b(?:whsec_|sk_live_|sk_test_|rk_live_|rk_test_|EAAA|AIza)[A-Za-z0-9+/=_-]{8,})
  | (?P<email>[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}\.[A-Za-z]{2,24})
  | (?P<hash>\b[0-9a-fA-F]{40,}\b)
  | (?P<iban>\b[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){11,30}\b)
  | (?P<card>(?<![0-9A-Za-z.])[0-9](?:[ -]?[0-9]){12,18}(?![0-9A-Za-z]))
  | (?P<signature>(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{42,86}={1,2}(?![A-Za-z0-9+/=]))
  | (?P<key>\b[A-Za-z0-9_-]{1,40}\.[A-Za-z0-9_-]{22,}\b)
    """,
    re.VERBOSE,
)
_QUOTED: Final = re.compile(r"'[^'\n]{2,}'|\"[^\"\n]{2,}\"")
# Of this process alone: what it marks can't be tried out against another's log.
_SALT: Final = secrets.token_bytes(16)

_known: set[str] = set()
_known_pattern: re.Pattern[str] | None = None


def conceal(values: Iterable[str]) -> None:
    """Remember secrets of this process, so that no text shows one; short ones would tear every text apart."""
    global _known_pattern  # noqa: PLW0603 - as there is one log of a process, there is one set of its secrets
    fresh = {value for value in values if len(value) >= _SECRET_CHARACTERS_MIN} - _known
    if not fresh or len(_known) + len(fresh) > _SECRETS_MAX:
        return
    _known.update(fresh)
    # The longest first: one may begin like another.
    _known_pattern = re.compile("|".join(re.escape(each) for each in sorted(_known, key=len, reverse=True)))
    _masked_again.cache_clear()


def text(value: str) -> str:
    """Return a text with everything replaced that looks like what may not be shown."""
    return _masked_again(value) if len(value) <= _REMEMBERED_CHARACTERS_MAX else _masked(value)


@lru_cache(maxsize=1_024)
def _masked_again(value: str) -> str:
    # The same few sentences come again and again.
    return _masked(value)


def _masked(value: str) -> str:
    if _known_pattern is not None:
        value = _known_pattern.sub("[secret]", value)
    return _LOOKS.sub(_mark, value)


def error(value: str) -> str:
    """Return the text of an error that somebody else wrote: libraries quote what they were given."""
    return _QUOTED.sub("[quoted]", text(value))


def traceback(value: str) -> str:
    """Return a traceback: where it was stays, what the errors quote doesn't."""
    # Lines of code and places are indented, those of the errors are not.
    return "\n".join(text(line) if line.startswith((" ", "Traceback")) else error(line) for line in value.split("\n"))


def event(fields: MutableMapping[str, Any]) -> None:
    """Mask a log line's fields in place; one of safe fields alone costs a comparison of its names."""
    if fields.keys() <= _SAFE_WITH_EVENT:
        fields["event"] = text(str(fields["event"]))
        return
    for name, value in fields.items():
        if name not in SAFE_FIELDS:
            fields[name] = field(name, value)


def field(name: str, value: Any) -> Any:
    """Return a field's value as it may be shown."""
    if value is None or isinstance(value, bool):
        return value
    if _PRIVATE.search(name):
        return mark_of(value)
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, dict):
        return {key: field(str(key), each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        masked = [field(name, each) for each in value]
        return tuple(masked) if isinstance(value, tuple) else masked
    written = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return _WRITTEN.get(name, text)(written)


def attributes(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a span's attributes as they may be exported."""
    return {name: value if name in SAFE_FIELDS else field(name, value) for name, value in given.items()}


def mark_of(value: Any) -> str:
    """Return a mark that is the same for the same value in this process's lines, and tells nothing about it."""
    digest = hashlib.blake2b(str(value).encode("utf-8", "surrogatepass"), digest_size=4, key=_SALT)
    return f"[masked {digest.hexdigest()}]"


def _mark(found: re.Match[str]) -> str:
    kind, value = found.lastgroup or "", found[0]
    if kind == "hash":
        # Enough to find a delivery by, and useless as a signature.
        return f"{value[:_HASH_CHARACTERS_SHOWN]}…"
    if kind == "card" and not _is_card(value):
        return value
    if kind == "iban" and not _is_iban(value):
        # Upper-case words and digits may hide a card.
        return value
    if kind == "key" and not _is_random(value.partition(".")[2]):
        return value
    return f"[{kind}]"


def _is_card(value: str) -> bool:
    """Luhn's check, as all card numbers have it."""
    digits = [int(each) for each in value if each.isdigit()]
    if not _CARD_DIGITS[0] <= len(digits) <= _CARD_DIGITS[1]:
        return False
    doubled = (each * 2 - 9 * (each > 4) for each in digits[-2::-2])  # noqa: PLR2004 - where doubling makes two digits
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(value: str) -> bool:
    """ISO 7064's check over the account, as all IBANs have it."""
    plain = value.replace(" ", "").replace("-", "")
    if not _IBAN_CHARACTERS[0] <= len(plain) <= _IBAN_CHARACTERS[1]:
        return False
    return int("".join(str(int(each, 36)) for each in plain[4:] + plain[:4])) % 97 == 1


def _is_random(value: str) -> bool:
    """Whether it is a secret, and no name of a module."""
    return any(each.isdigit() for each in value) and any(each.isalpha() for each in value)


# Fields that hold texts of others: how they are masked.
_WRITTEN: Final[Mapping[str, Callable[[str], str]]] = {
    "traceback": traceback,
    "error_message": error,
    "message": error,
    "exception.message": error,
    "exception.stacktrace": traceback,
}
_SAFE_WITH_EVENT: Final = SAFE_FIELDS | {"event"}
