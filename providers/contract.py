"""What a provider is: how it signs (used by the edge) and how its body maps to payment events (used by ingest)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol, runtime_checkable

from msgspec import Struct


class Kind(IntEnum):
    """What happened to a payment; the numbers are those of autopay.type.v1.EventKind."""

    PENDING = 1
    AUTHORIZED = 2
    CAPTURED = 3
    FAILED = 4
    CANCELED = 5
    REFUNDED = 6
    REFUND_FAILED = 7
    CAPTURE_FAILED = 8
    DISPUTE_OPENED = 9
    DISPUTE_WON = 10
    DISPUTE_LOST = 11
    RETURNED = 12


class DisputeReason(IntEnum):
    """Why a payment is disputed; the numbers are those of autopay.type.v1.DisputeReason."""

    UNSPECIFIED = 0
    FRAUD = 1
    UNRECOGNIZED = 2
    NOT_RECEIVED = 3
    NOT_AS_DESCRIBED = 4
    CREDIT_NOT_PROCESSED = 5
    DUPLICATE = 6
    CANCELED = 7
    WRONG_AMOUNT = 8
    PROCESSING = 9
    OTHER = 10


class Basis(IntEnum):
    """How an amount adds to its object's total; the numbers are those of autopay.type.v1.AmountBasis."""

    DELTA = 1
    CUMULATIVE = 2


class HeaderLookup(Protocol):
    """The headers of a request, case-insensitive and with repeats, as aiohttp's CIMultiDictProxy has them."""

    def getall(self, key: str, default: Sequence[str], /) -> Sequence[str]:
        """Return every value of the header, `default` where there is none."""


@dataclass(frozen=True, slots=True)
class Secret:
    """One active secret of a source, with the id that is recorded when it verifies."""

    key_id: str
    # Not shown where the object is: a log or a traceback must not hold it.
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Window:
    """The replay window: how old and how far ahead a signed timestamp may be, in seconds."""

    age_s_max: float = 300
    skew_s_max: float = 5


class Verified(Struct, frozen=True, gc=False):
    """A request whose signature holds.

    Attributes:
        key_id: the secret that verified it.
        body: the signed bytes: the body as received, or its canonical form where that is what was signed.
        signed_at_s: the signed Unix timestamp, None where the scheme signs none.
    """

    key_id: str
    body: bytes
    signed_at_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the configuration of one source says to its provider; the defaults are those of a source without a file.

    Attributes:
        url: where the provider sends to, as it signs it; never rebuilt from a request.
        live: whether live (True) or test (False) payments are expected; None where both may come.
        table: the provider's own settings, as the sources file has them.
    """

    url: str = ""
    live: bool | None = None
    table: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What the provider wants to read with a 200."""

    body: bytes = b"{}"
    content_type: str = "application/json"


class Refused(Exception):  # noqa: N818 - a decision, not an error
    """A request that must not be believed.

    Attributes:
        reason: SIGNATURE_INVALID or TIMESTAMP_OUTSIDE_WINDOW.
        message: one sentence for the sender; says nothing about the secret or the expected value.
    """

    def __init__(self, reason: str, message: str) -> None:
        """Refuse for a reason."""
        super().__init__(message)
        self.reason = reason
        self.message = message


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """One fact about one payment in canonical form. Amounts are exact, in minor units of the currency.

    The fields are those of autopay.type.v1.PaymentEvent; an empty string or None means "not stated". Without a
    `tx_id` the event belongs to the payment of the same source that has one of its `aliases`.
    """

    tx_id: str
    kind: Kind
    event_id: str = ""
    object_id: str = ""
    amount_minor: int | None = None
    currency: str = ""
    exponent: int = 0
    basis: Basis = Basis.DELTA
    amount_fixed: bool = False
    sender_account: str = ""
    receiver_account: str = ""
    event_time_ms: int = 0
    event_time_signed: bool = False
    description: str = ""
    aliases: tuple[str, ...] = ()
    dispute_reason: DisputeReason = DisputeReason.UNSPECIFIED


@dataclass(frozen=True, slots=True)
class Wrong:
    """One wrong field; the description never repeats the value."""

    field: str
    description: str


class Unprocessable(Exception):  # noqa: N818 - a decision, not an error
    """A verified body that can't become events; names every wrong field."""

    def __init__(self, wrong: Sequence[Wrong]) -> None:
        """Hold what is wrong."""
        super().__init__("; ".join(f"{each.field}: {each.description}" for each in wrong))
        self.wrong = tuple(wrong)


class Provider(Protocol):
    """One payment provider. Implementations are pure: no I/O, no clock, no state."""

    @property
    def name(self) -> str:
        """The provider type, [a-z0-9]; by default also the name of its source."""

    @property
    def native(self) -> bool:
        """True where the sender is ours to correct: invalid → 422 and conflict → 409 instead of an acknowledgement."""

    @property
    def kept_headers(self) -> Sequence[str]:
        """Header names in lower case that are kept with the delivery."""

    @property
    def acknowledgement(self) -> Acknowledgement:
        """What a delivery that is kept is answered with; not used where `native`."""

    def configured(self, options: Options) -> Provider:
        """Return the provider as one source has it.

        Raises:
            ValueError: it can't work with these options; the text names the one that is missing or wrong.
        """

    def verify(
        self, body: bytes, headers: HeaderLookup, secrets: Sequence[Secret], *, now_s: float, window: Window
    ) -> Verified:
        """Check signature and replay window over the exact bytes, against every secret in constant time.

        Raises:
            Refused: missing, malformed or wrong signature, or a timestamp outside the window.
        """

    def map(self, body: bytes, headers: Mapping[str, bytes]) -> Sequence[Event]:
        """Return the body's payment events; none where its type means nothing to payments.

        Raises:
            Unprocessable: the content is invalid; every wrong field is named.
        """


@runtime_checkable
class Certified(Protocol):
    """What a provider has besides, where a certificate that it publishes signs: the edge fetches it, outside."""

    def certificate_url(self, headers: HeaderLookup) -> str:
        """Return where the certificate is; its host is one that the provider is known to use.

        Raises:
            Refused: the header is missing or doubled, or names any other host. Nothing may be fetched then.
        """

    def verify_certified(
        self,
        body: bytes,
        headers: HeaderLookup,
        secrets: Sequence[Secret],
        *,
        chain: bytes,
        now_s: float,
        window: Window,
    ) -> Verified:
        """Check like `verify`, with the PEM `chain` that was fetched.

        Raises:
            Refused: as `verify`, or the chain is not to be trusted now.
        """
