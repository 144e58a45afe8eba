"""EC2 over HTTP: moto's server, behind a proxy that imitates what moto does not.

    with Ec2() as ec2:
        ec2.on("CreateSnapshot", ec2faults.throttled, nth={1, 2})
        environ = ec2.environ()

Beyond moto, always: answers come in pages (``MaxResults``, ``NextToken``), one ``ClientToken``
gives one volume, a new snapshot is pending, a group leaves out what it was told to, and ``self`` is
this account. The rest is faults, by the operation's name and its parameters.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self
from urllib.parse import parse_qs, urlencode

import urllib3

from tests.faults import Answer, Fault, FaultProxy, Reply, Request, reply

ACCOUNT = "123456789012"
REGION = "eu-west-1"
SECRET = "wJalrXUtnFEMI-not-a-real-key"

_MOST_A_PAGE = 1000


def error(code: str, message: str = "", status: int = 400) -> Fault:
    """Answer as EC2 does when it refuses."""
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?><Response><Errors><Error><Code>{code}</Code>'
        f"<Message>{message}</Message></Error></Errors><RequestID>r-1</RequestID></Response>"
    )
    return reply(Reply(status, body.encode(), {"Content-Type": "text/xml"}))


throttled = error("RequestLimitExceeded", "Request limit exceeded.", 503)
too_often = error(
    "SnapshotCreationPerVolumeRateExceeded",
    "The maximum per volume CreateSnapshot request rate has been exceeded.",
)


def state(name: str, message: str = "") -> Fault:
    """Give the proper description of snapshots, or volumes, all of them in this state."""
    told = f"<statusMessage>{message}</statusMessage>" if message else ""

    def altered(request: Request, proper: Answer) -> Reply:
        answer = proper(request)
        words = f"<status>{name}</status>{told}".encode()
        return replace(answer, body=re.sub(rb"<status>[\w-]+</status>", words, answer.body))

    return altered


def many_snapshots(tags: Sequence[Mapping[str, str]]) -> Fault:
    """Describe so many snapshots, in pages: moto takes minutes for thousands with tags."""

    def described(request: Request, proper: Answer) -> Reply:
        items = "".join(
            f"<item><snapshotId>snap-{number:017x}</snapshotId><volumeId>vol-{number:017x}</volumeId>"
            "<status>completed</status><startTime>2026-03-04T05:06:07.000Z</startTime>"
            f"<volumeSize>1</volumeSize><tagSet>{_tags(mine)}</tagSet></item>"
            for number, mine in enumerate(tags)
        )
        name = "DescribeSnapshotsResponse"
        body = f"<{name}><snapshotSet>{items}</snapshotSet></{name}>"
        return _page(Reply(200, body.encode(), {"Content-Type": "text/xml"}), request.query)

    return described


def _tags(tags: Mapping[str, str]) -> str:
    return "".join(f"<item><key>{k}</key><value>{v}</value></item>" for k, v in tags.items())


def answer_lost(request: Request, proper: Answer) -> Reply:
    """Do what was asked, and close the connection without an answer."""
    proper(request)
    return Reply(0, cut_after=-1)


def empty_volumes(request: Request, proper: Answer) -> Reply:
    """Describe no volume, as EC2 does for a moment after one was made."""
    body = b"<DescribeVolumesResponse><volumeSet/></DescribeVolumesResponse>"
    return Reply(200, body, {"Content-Type": "text/xml"})


class Ec2:
    """moto's EC2 and the proxy before it; a context manager."""

    def __init__(self) -> None:
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._moto.start()
        host, port = self._moto.get_host_and_port()
        self._url = f"http://{host}:{port}"
        self._behind = _Moto(self._url)
        self.proxy = _Proxy(self._behind)

    def on(
        self, operation: str, fault: Fault, *, nth: Collection[int] | None = None, having: str = ""
    ) -> None:
        """Give calls of an operation to a fault: all, or the nth ones, with ``having`` in them."""
        self.proxy.on(rf"^/{operation}\?.*{re.escape(having)}", fault, method="POST", nth=nth)

    def calls(self, operation: str = r"\w+") -> list[dict[str, str]]:
        """Return the parameters of each call so far; ``Action`` is its operation."""
        return [call.query for call in self.proxy.asked(rf"^/{operation}\?")]

    def forget(self) -> None:
        """Drop all faults, the record of calls, and everything that EC2 holds."""
        from moto.backends import get_backend

        self.proxy.forget()
        self._behind.by_token.clear()
        for account in get_backend("ec2").values():
            for backend in account.values():
                backend.volumes.clear()
                backend.snapshots.clear()

    def backend(self, region: str = REGION) -> Any:
        """Return moto's own state of a region, to fill it faster than calls can."""
        from moto.backends import get_backend

        return get_backend("ec2")[ACCOUNT][region]

    def new_volume(self, size: int = 1, zone: str = f"{REGION}a", **given: Any) -> str:
        """Make a volume, and return its id."""
        region = zone.rstrip("abcdef")
        return str(self.backend(region).create_volume(size, zone, **given).id)

    def attach(self, *volumes: str) -> str:
        """Start an instance that holds these volumes; return its id."""
        import boto3

        client = boto3.client(
            "ec2",
            region_name=REGION,
            endpoint_url=self._url,
            aws_access_key_id="x",
            aws_secret_access_key=SECRET,
        )
        started = client.run_instances(ImageId="ami-00000000", MinCount=1, MaxCount=1)
        instance = str(started["Instances"][0]["InstanceId"])
        client.close()
        for number, volume in enumerate(volumes):
            self.backend().attach_volume(volume, instance, f"/dev/xvd{chr(ord('f') + number)}")
        return instance

    def environ(self, **changes: str) -> dict[str, str]:
        """Return the environment in which AWS's tools, and kube2git, find this EC2."""
        return {
            "AWS_ENDPOINT_URL_EC2": self.proxy.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
            **changes,
        }

    def close(self) -> None:
        self.proxy.close()
        self._moto.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Proxy(FaultProxy):
    """Rules see the operation as the path and its parameters as the query."""

    def _handle(self, request: Request) -> Reply:
        given = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        action = given.get("Action", "")
        return super()._handle(replace(request, target=f"/{action}?{urlencode(given)}"))


class _Moto:
    """Passes calls on to moto, and does what it leaves out."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(maxsize=32, retries=False, timeout=60.0)
        self._lock = threading.Lock()
        self.by_token: dict[str, Reply] = {}

    def __call__(self, request: Request) -> Reply:
        given = request.query
        token = given.get("ClientToken", "")
        with self._lock:
            if token in self.by_token:
                return self.by_token[token]
            answer = self._ask(request, given)
            if given.get("Action") == "CreateSnapshots":
                answer = _without_excluded(answer, given)
            if given.get("Action") in ("CreateSnapshot", "CreateSnapshots"):
                body = answer.body.replace(b">completed<", b">pending<")
                answer = replace(answer, body=body)
            if given.get("Owner.1") == "self":
                answer = _own(answer)
            if token and answer.status == 200:
                self.by_token[token] = answer
        return _page(answer, given) if "MaxResults" in given else answer

    def _ask(self, request: Request, given: Mapping[str, str]) -> Reply:
        sent = {k: v for k, v in given.items() if k not in ("MaxResults", "NextToken")}
        headers = {k: v for k, v in request.headers.items() if k in ("authorization", "user-agent")}
        headers["content-type"] = "application/x-www-form-urlencoded"
        got = self._pool.request("POST", self._url, body=urlencode(sent).encode(), headers=headers)
        return Reply(got.status, got.data, {"Content-Type": "text/xml"})


def _without_excluded(answer: Reply, given: Mapping[str, str]) -> Reply:
    """Take back the snapshots of volumes that were to be left out of a group."""
    from xml.etree import ElementTree

    from moto.backends import get_backend

    name = "InstanceSpecification.ExcludeDataVolumeId"
    excluded = {value for key, value in given.items() if key.startswith(f"{name}.")}
    root = ElementTree.fromstring(answer.body)
    for found in root.iter():
        for item in list(found):
            parts = {part.tag.rpartition("}")[2]: part.text for part in item}
            if parts.get("volumeId") in excluded:
                found.remove(item)
                for backend in get_backend("ec2")[ACCOUNT].values():
                    backend.snapshots.pop(str(parts["snapshotId"]), None)
    return replace(answer, body=ElementTree.tostring(root))


def _own(answer: Reply) -> Reply:
    """Leave out the snapshots of other accounts."""
    if not re.search(rb"<ownerId>(?!%s<)" % ACCOUNT.encode(), answer.body):
        return answer
    from xml.etree import ElementTree

    root = ElementTree.fromstring(answer.body)
    for found in root.iter():
        for item in list(found):
            parts = {part.tag.rpartition("}")[2]: part.text for part in item}
            if parts.get("ownerId") not in (None, ACCOUNT):
                found.remove(item)
    return replace(answer, body=ElementTree.tostring(root))


def _page(answer: Reply, given: Mapping[str, str]) -> Reply:
    """Cut one page out of a description that lists everything."""
    from xml.etree import ElementTree

    root = ElementTree.fromstring(answer.body)
    space = root.tag.partition("}")[0] + "}" if "}" in root.tag else ""
    if space:
        ElementTree.register_namespace("", space.strip("{}"))
    for found in root:
        items = list(found)
        if found.tag.endswith(("snapshotSet", "volumeSet")) and items:
            start = int(given.get("NextToken", "0"))
            size = min(int(given["MaxResults"]), _MOST_A_PAGE)
            for item in items[:start] + items[start + size :]:
                found.remove(item)
            if start + size < len(items):
                ElementTree.SubElement(root, f"{space}nextToken").text = str(start + size)
    return replace(answer, body=ElementTree.tostring(root))
