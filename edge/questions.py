"""What may be asked about payments, as it stands in a URL's query: validated, each wrong parameter by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from mesh.errors import Fault, FieldViolation, Kind
from providers import money

_YEAR_MIN: Final = 1970
_TX_ID: Final = r"^[A-Za-z0-9_.:-]{1,100}$"

Source = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$", description="Only this source.")]
TxId = Annotated[str, Field(pattern=_TX_ID, description="The payment's id within its source.")]
Account = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,50}$")]
Amount = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,18})(\.[0-9]{1,4})?$")]
StatusWord = Literal[
    "pending", "failed", "canceled", "authorized", "success", "partially_refunded", "refunded", "disputed", "returned"
]
LevelWord = Literal["low", "medium", "high", "critical"]
AnalysisWord = Literal["queued", "leased", "done", "parked"]
Role = Literal["either", "sender", "receiver"]


def _moment(value: object) -> object:
    # A bare number would be taken for seconds or milliseconds, whichever fits.
    if isinstance(value, str) and not value[4:5] == "-":
        raise ValueError("must be like 2027-01-31T12:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]


class Question(BaseModel):
    """A path's query; what it doesn't name is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class PaymentQuestion(Question):
    """The query of `/transaction/{tx_id}`."""

    source: Source | None = Field(default=None, description="The payment's source; needed where several know the id.")
    view: Literal["basic", "full"] = Field(
        default="basic",
        description="`full` has the single events; it needs the scope transactions:full, and is audited.",
    )


class PaymentsQuestion(Question):
    """The query of `/transactions`: the most selective condition is looked up in an index, the others narrow it."""

    account: Account | None = Field(default=None, description="Only payments of this account.")
    role: Role | None = Field(default=None, description="The account's side; either, where left out.")
    source: Source | None = None
    status: StatusWord | None = Field(default=None, description="Only payments in this status.")
    currency: str | None = Field(
        default=None, pattern="^[A-Z]{3}$", description="Only payments in this currency, ISO 4217."
    )
    risk_level: LevelWord | None = Field(default=None, description="Only payments of this risk level.")
    analysis_state: AnalysisWord | None = Field(
        default=None, description="Only payments whose analysis stands there; not together with account."
    )
    amount_min: Amount | None = Field(
        default=None, description="The least amount, inclusive, in major units; needs currency."
    )
    amount_max: Amount | None = Field(
        default=None, description="The greatest amount, inclusive, in major units; needs currency."
    )
    since: Moment | None = Field(default=None, description="First recorded at or after, with a time zone.")
    until: Moment | None = Field(default=None, description="First recorded before, with a time zone.")
    order: Literal["newest", "oldest"] = Field(
        default="newest", description="By when they were first recorded. Oldest first stops five seconds ago."
    )
    limit: int = Field(default=50, ge=1, le=200, description="The most payments in a page.")
    cursor: str = Field(
        default="", max_length=4_096, description="Where to go on, from the page before; all else as it was there."
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.role and not self.account:
            raise ValueError("role: needs account")
        if self.account and self.analysis_state:
            raise ValueError("analysis_state: can't be combined with account")
        if (self.amount_min or self.amount_max) and not self.currency:
            raise ValueError("currency: is required with a range of amounts")
        if self.currency and self.currency not in money.EXPONENTS:
            raise ValueError("currency: must be an ISO 4217 code that has minor units")
        low, high = self.minor_units("amount_min"), self.minor_units("amount_max")
        if high and low > high:
            raise ValueError("amount_max: must be at least amount_min")
        for name in ("since", "until"):
            moment: datetime | None = getattr(self, name)
            if moment and moment.astimezone(UTC).year < _YEAR_MIN:
                raise ValueError(f"{name}: must not be before {_YEAR_MIN}")
        if self.since and self.until and self.until <= self.since:
            raise ValueError("until: must be later than since")
        return self

    def minor_units(self, name: Literal["amount_min", "amount_max"]) -> int:
        """Return a bound in minor units of the currency, 0 where there is none.

        Raises:
            ValueError: it has more decimals than the currency, or is too large.
        """
        text: str | None = getattr(self, name)
        if not text or not self.currency or not text.strip("0."):
            return 0
        try:
            return money.to_minor_units(*money.read(text), money.EXPONENTS[self.currency])
        except money.AmountError as error:
            raise ValueError(f"{name}: {error}") from None


def is_tx_id(text: str) -> bool:
    """Return whether a text can be a payment's id."""
    return re.fullmatch(_TX_ID[1:-1], text, re.ASCII) is not None


QuestionT = TypeVar("QuestionT", bound=Question)


def read(question: type[QuestionT], parameters: Mapping[str, Sequence[str]]) -> QuestionT:
    """Return what is asked.

    Raises:
        Fault: INVALID_FIELD with every wrong parameter; values are not repeated.
    """
    twice = [name for name, values in parameters.items() if len(values) > 1]
    if twice:
        raise _invalid([FieldViolation(field=_named(name), description="is there more than once") for name in twice])
    try:
        return question.model_validate({name: values[0] for name, values in parameters.items()})
    except ValidationError as error:
        raise _invalid([_violation(each) for each in error.errors(include_url=False, include_input=False)]) from None


def _violation(problem: Any) -> FieldViolation:
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = "is no parameter of this path"
    if problem["loc"]:
        return FieldViolation(field=_named(str(problem["loc"][0])), description=message)
    # A rule over several parameters begins with the one to put right.
    name, _, description = message.partition(": ")
    return FieldViolation(field=name, description=description)


def _named(name: str) -> str:
    """Return a parameter's name as it may be shown: one that is none of ours is text from outside."""
    return name if name.isidentifier() and name.isascii() and len(name) <= 40 else "a parameter"  # noqa: PLR2004


def _invalid(violations: Sequence[FieldViolation]) -> Fault:
    names = ", ".join(dict.fromkeys(each.field for each in violations))
    return Fault(kind=Kind.INVALID, reason="INVALID_FIELD", message=f"Put right: {names}.", fields=violations)
