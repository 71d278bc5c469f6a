"""What a mock sender sends in another provider's name, signed as that provider signs, and what it is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from autopay_cli.scenarios import (
    EARLIER_S,
    OUTSIDE_WINDOW,
    RATE_LIMITED,
    SIGNATURE_INVALID,
    STALE_S,
    Case,
    Delivery,
    Scenario,
    Signature,
)

if TYPE_CHECKING:
    from autopay_cli.recipes.renaming import Renaming
    from autopay_cli.recipes.samples import Message, Sample
    from autopay_cli.recipes.signing import Request

# A third party is told nothing but that it may forget the delivery; whatever became of it waits for a person.
ACKNOWLEDGED: Final = "200 acknowledged"
_ANYTHING: Final = (Scenario.VALID, Scenario.DUPLICATE, Scenario.LIFE, Scenario.BAD_SIGNATURE, Scenario.BURST)


class ProviderTraffic:
    """Deliveries of one provider."""

    def __init__(self, sample: Sample, secret: str, renaming: Renaming) -> None:
        """Send what `sample` says, of payments that `renaming` makes up, signed with `secret`."""
        self._sample = sample
        self._secret = secret
        self._renaming = renaming

    @property
    def scenarios(self) -> Sequence[Scenario]:
        """What this provider's deliveries can be."""
        more = [Scenario.STALE] if self._sample.recipe.dated else []
        return (*_ANYTHING, *more, *([Scenario.MALFORMED] if self._sample.recipe.signs_bytes else []))

    def deliveries(self, scenario: Scenario) -> Sequence[Delivery]:
        """Return the deliveries of one case."""
        if scenario is Scenario.LIFE:
            return [_delivery(each, ACKNOWLEDGED) for each in self._renaming.life()]
        message = self._renaming.message()
        match scenario:
            case Scenario.DUPLICATE:
                return (
                    _delivery(message, ACKNOWLEDGED, age_s=EARLIER_S),
                    _delivery(message, ACKNOWLEDGED, signature=Signature.REPEATED),
                    _delivery(message, ACKNOWLEDGED),
                )
            case Scenario.BAD_SIGNATURE:
                wrong = (Signature.WRONG_SECRET, Signature.OTHER_BODY, Signature.MISSING)
                signature = self._renaming.choice(wrong)
                return (_delivery(message, SIGNATURE_INVALID, as_good=RATE_LIMITED, signature=signature),)
            case Scenario.STALE:
                return (_delivery(message, OUTSIDE_WINDOW, age_s=STALE_S),)
            case Scenario.MALFORMED:
                whole = _delivery(message, ACKNOWLEDGED)
                return (Delivery(body=whole.body[:-1], unsigned=whole.unsigned, expected=ACKNOWLEDGED),)
        return (_delivery(message, ACKNOWLEDGED),)

    def shuffle(self, items: list[Case]) -> None:
        """Mix the cases."""
        self._renaming.shuffle(items)

    def request(self, delivery: Delivery, *, now_s: int, previous: Request | None) -> Request:
        """Return the request to send."""
        from autopay_cli.recipes import spoiling

        recipe, secret = self._sample.recipe, self._secret
        if delivery.signature is Signature.REPEATED and previous is not None:
            return previous
        if delivery.signature is Signature.WRONG_SECRET:
            secret = spoiling.another(secret)
        request = recipe.sign(delivery.body, secret, at=now_s - delivery.age_s)
        if delivery.signature is Signature.OTHER_BODY:
            request = spoiling.tampered(recipe, request)
        elif delivery.signature is Signature.MISSING:
            request = spoiling.unsigned(recipe, request, delivery.body)
        for name, value in delivery.unsigned.items():
            request = request.having(name, value)
        return request


def _delivery(message: Message, expected: str, **more: Any) -> Delivery:
    from autopay_cli.recipes.samples import content_of

    headers: Mapping[str, str] = message.unsigned
    return Delivery(body=content_of(message.content), unsigned=headers, expected=expected, **more)
