"""EC2's API: calls that are tried again by rule, page by page. The only door to boto3.

Trying again is ours alone, never botocore's, so that one time limit holds, and so that nothing that
may have happened is asked for twice. (botocore's adaptive mode slows all calls of a client down to
one in two seconds once some are throttled.) No credential, and no text of AWS about credentials or
rights, gets into a message.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kube2git.errors import SnapshotterError

Item = dict[str, Any]
"""One resource, as EC2 describes it."""

THROTTLED = frozenset(
    {
        "ConcurrentSnapshotLimitExceeded",
        "EC2ThrottledException",
        "PendingSnapshotLimitExceeded",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "ResourceLimitExceeded",
        "SnapshotCreationPerVolumeRateExceeded",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""Refused before anything was done: every call may be sent again, later."""
_PASSING = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "RequestTimeout",
        "ServiceUnavailable",
        "Unavailable",
    }
)
"""Nobody knows whether it was done."""
_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "Blocked",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidToken",
        "MissingAuthenticationToken",
        "OptInRequired",
        "PendingVerification",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})

_LOST = "lost"
_UNREACHABLE = "unreachable"
_TRIES_TO_REACH = 4
WORKERS = 16
"""Calls at the same time."""
_CHAIN = (
    "kube2git takes credentials where every AWS tool does: AWS_PROFILE, AWS_ACCESS_KEY_ID, the "
    "Pod's own role (IRSA, EKS Pod Identity), or the instance's. `aws sts get-caller-identity` in "
    "the same place shows what is found there."
)

OPERATIONS: Mapping[str, str] = {
    "copy_snapshot": "CopySnapshot",
    "create_snapshot": "CreateSnapshot",
    "create_snapshots": "CreateSnapshots",
    "create_tags": "CreateTags",
    "create_volume": "CreateVolume",
    "delete_snapshot": "DeleteSnapshot",
    "describe_snapshots": "DescribeSnapshots",
    "describe_volumes": "DescribeVolumes",
}
"""Every operation that is called -> the action that an IAM policy has to allow."""


class RefusedByEc2(Exception):  # noqa: N818 - it reads as what happened
    """EC2 did not do one thing; the message is a whole sentence for people."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code

    def as_a_whole(self) -> SnapshotterError:
        """Return the error that nothing can be done in this account because of it."""
        return SnapshotterError(str(self).rstrip("."))

    @property
    def is_throttled(self) -> bool:
        """Tell whether EC2 had no time for it, and nothing is wrong otherwise."""
        return self.code in THROTTLED

    @property
    def is_lost(self) -> bool:
        """Tell whether it may have been done all the same."""
        return self.code == _LOST

    @property
    def is_unsent(self) -> bool:
        """Tell whether EC2 was not reached."""
        return self.code == _UNREACHABLE


class DeniedByEc2(RefusedByEc2):
    """The identity lacks a right."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often something is tried, and how long between the tries and looks, in seconds."""

    attempts: int = 10
    first: float = 1.0
    longest: float = 15.0
    """EC2 takes one snapshot of a volume in 15 seconds."""

    def delay(self, attempt: int, jitter: float = 1.0) -> float:
        """Return the wait after the attempt-th try (from 1).

        ``jitter``, between 0 and 1, spreads those who failed together over half of the wait.
        """
        return min(self.first * 2.0 ** (attempt - 1), self.longest) * (0.5 + jitter / 2)


class Limit:
    """How long work may go on; ``stop`` ends it at once, in every thread."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._stopped = threading.Event()

    @property
    def left(self) -> float:
        """Seconds; 0 when it is over."""
        return 0.0 if self._stopped.is_set() else max(0.0, self._end - time.monotonic())

    def pause(self, seconds: float) -> bool:
        """Wait; return False, early or late, when the time does not suffice."""
        if seconds >= self.left:
            return False
        return not self._stopped.wait(seconds)

    def stop(self) -> None:
        self._stopped.set()


class Ec2:
    """EC2 in one region."""

    def __init__(self, client: Any, region: str, patience: Patience) -> None:
        self._client = client
        self.region = region
        self._patience = patience

    def call(
        self, operation: str, limit: Limit, *, is_repeatable: bool = True, **given: Any
    ) -> Any:
        """Call an operation of OPERATIONS; return its answer.

        Raise RefusedByEc2 for what concerns this call only, and SnapshotterError when nothing can
        be done in this account. What is not repeatable, and got no answer, is not sent again: the
        RefusedByEc2 ``is_lost``.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._once(operation, given)
            except RefusedByEc2 as refusal:
                again = refusal.is_throttled or (refusal.is_lost and is_repeatable)
                if refusal.is_unsent:
                    again = attempt < _TRIES_TO_REACH
                wait = self._patience.delay(attempt, random.random())  # noqa: S311
                if again and attempt < self._patience.attempts and limit.pause(wait):
                    continue
                if refusal.is_unsent:
                    raise SnapshotterError(
                        str(refusal).rstrip("."),
                        hint="Look at the region, the network's way out, and AWS_ENDPOINT_URL_EC2.",
                    ) from None
                raise

    def pages(self, operation: str, key: str, limit: Limit, **given: Any) -> Iterator[list[Item]]:
        """Call a describing operation page by page; yield the items of each."""
        while True:
            answer = self.call(operation, limit, **given)
            yield answer.get(key) or []
            given["NextToken"] = answer.get("NextToken")
            if not given["NextToken"]:
                return

    def _once(self, operation: str, given: Mapping[str, Any]) -> Any:
        from botocore import exceptions
        from botocore.parsers import ResponseParserError

        action = OPERATIONS[operation]
        try:
            return getattr(self._client, operation)(**given)
        except exceptions.ClientError as error:
            detail = error.response.get("Error") or {}
            status = (error.response.get("ResponseMetadata") or {}).get("HTTPStatusCode", 0)
            code, text = str(detail.get("Code") or ""), str(detail.get("Message") or "")
            raise self._refusal(action, code, text, status) from None
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
            raise SnapshotterError(
                "there are no AWS credentials, so EBS cannot be used", hint=_CHAIN
            ) from None
        except (
            exceptions.CredentialRetrievalError,
            exceptions.SSOError,
            exceptions.TokenRetrievalError,
        ):
            raise SnapshotterError(
                "the AWS credentials cannot be had: what should give them did not", hint=_CHAIN
            ) from None
        except (exceptions.ConnectTimeoutError, exceptions.EndpointConnectionError):
            raise RefusedByEc2(f"EC2 in {self.region} does not answer.", _UNREACHABLE) from None
        except (exceptions.HTTPClientError, ResponseParserError):
            raise RefusedByEc2(
                f"EC2 in {self.region} broke off while it was asked for {action}.", _LOST
            ) from None
        except exceptions.ParamValidationError:
            raise RefusedByEc2(
                f"The request for {action} has a value that EC2 would never take; is the record "
                "of the snapshot damaged?",
                "InvalidParameterValue",
            ) from None
        except exceptions.BotoCoreError as error:
            raise SnapshotterError(
                f"EC2 in {self.region} cannot be asked: {type(error).__name__}", hint=_CHAIN
            ) from None

    def _refusal(self, action: str, code: str, text: str, status: int) -> Exception:
        if code in _CREDENTIALS:
            what = "have expired" if "Expired" in code else "are not accepted"
            return SnapshotterError(
                f"the AWS credentials {what} in {self.region} ({code})", hint=_CHAIN
            )
        if code in _DENIED:
            return DeniedByEc2(
                f"AWS does not allow ec2:{action} in {self.region} to this identity; docs/ebs.md "
                "has the IAM policy.",
                code,
            )
        if code in THROTTLED:
            return RefusedByEc2(
                f"EC2 in {self.region} was too busy for {action} for as long as was waited "
                f"({code}).",
                code,
            )
        if code in _PASSING or status >= 500:
            return RefusedByEc2(
                f"EC2 in {self.region} failed at {action} ({code or status}).", _LOST
            )
        said = f": {text[:300].rstrip('.')}" if text and text != "None" else ""
        return RefusedByEc2(f"EC2 in {self.region} refused {action} ({code}){said}.", code)


class Regions:
    """Connections to EC2, one a region, made when first wanted; used by several threads."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._lock = threading.Lock()
        self._session: Any = None
        self._known: dict[str, Ec2] = {}

    def home(self) -> str:
        """Return the region of AWS's own configuration; raise SnapshotterError without one."""
        with self._lock:
            region = self._opened().region_name
        if not region:
            raise SnapshotterError(
                "no AWS region is known",
                hint="Set AWS_REGION, or snapshots.options.ebs.regions in the configuration.",
            )
        return str(region)

    def __getitem__(self, region: str) -> Ec2:
        with self._lock:
            if region not in self._known:
                self._known[region] = Ec2(self._connect(region), region, self._patience)
            return self._known[region]

    def _opened(self) -> Any:
        import boto3
        from botocore import exceptions

        if self._session is None:
            try:
                self._session = boto3.Session()
            except exceptions.BotoCoreError as error:
                raise SnapshotterError(
                    f"the AWS configuration cannot be used: {type(error).__name__}", hint=_CHAIN
                ) from None
        return self._session

    def _connect(self, region: str) -> Any:
        from botocore import exceptions
        from botocore.config import Config

        once = Config(
            retries={"mode": "standard", "total_max_attempts": 1},
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=WORKERS,
        )
        try:
            return self._opened().client("ec2", region_name=region, config=once)
        except (exceptions.BotoCoreError, ValueError) as error:
            raise SnapshotterError(
                f"EC2 in {region} cannot be reached: {type(error).__name__}",
                hint="Look at the region's name and at AWS_ENDPOINT_URL_EC2.",
            ) from None
