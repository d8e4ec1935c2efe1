"""One EC2 call for a step: its errors as the user reads them, and patience with those that pass by themselves."""

from typing import Any

from spotbox.aws.errors import translating, unknown_outcome
from spotbox.aws.hands import Hands
from spotbox.aws.observe import describe
from spotbox.core.errors import SpotboxError
from spotbox.core.refusals import PASSING

PATIENCE = 60  # seconds in which a throttled or broken call is made again


def call(hands: Hands, region: str, operation: str, *, ok: tuple[str, ...] = (), **params: Any) -> dict[str, Any]:
    """One EC2 call; codes in `ok` mean that it is done already and give an empty answer."""
    action = "ec2:" + "".join(word.capitalize() for word in operation.split("_"))
    try:
        with translating(action, region):
            answer: dict[str, Any] = getattr(hands.aws.client("ec2", region), operation)(**params)
            return answer
    except SpotboxError as error:
        if error.code in ok:
            return {}
        raise


def passing(error: SpotboxError) -> bool:
    """Whether the same call may well succeed in a while: throttled, AWS's own trouble, a connection that broke.

    Codes: "Error codes for the Amazon EC2 API" (RequestLimitExceeded, InternalError, Unavailable and their like).
    """
    from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError

    unsent = (EndpointConnectionError, ConnectTimeoutError)
    return error.code in PASSING or unknown_outcome(error) or isinstance(error.__cause__, unsent)


def patient_call(
    hands: Hands, region: str, operation: str, *, ok: tuple[str, ...] = (), **params: Any
) -> dict[str, Any]:
    """As `call`, for what may be done twice: made again for PATIENCE seconds while its error passes by itself."""
    end, pause = hands.now() + PATIENCE, 1.0
    while True:
        try:
            return call(hands, region, operation, ok=ok, **params)
        except SpotboxError as error:
            if not passing(error) or hands.now() >= end:
                raise
            hands.show(f"{error.message}; asking again")
        hands.sleep(pause)
        pause = min(pause * 1.5, 5.0)


def seen(hands: Hands, region: str, kind: str, name: str, ids: list[str]) -> tuple[Any, ...] | None:
    """The things of these ids as AWS shows them now (`name` is the filter); None where this look failed, as it may.

    SpotboxError for what does not pass by itself.
    """
    try:
        return describe(hands.aws, region, kind, [{"Name": name, "Values": ids}])
    except SpotboxError as error:
        if passing(error):
            return None
        raise
