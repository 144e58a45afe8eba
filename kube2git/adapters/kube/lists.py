"""One list of one kind: asked for page by page, checked, or told why it could not be had."""

from __future__ import annotations

from collections.abc import Iterator

from kube2git.adapters.kube.answers import Response, missing_right
from kube2git.adapters.kube.connection import Connection, Pause
from kube2git.core import wire
from kube2git.core.objects import ResourceType
from kube2git.core.wire import ListPage, RawObject
from kube2git.errors import ClusterUnreachableError

TRIES_OF_A_BODY = 3
NAMESPACE = ResourceType("", "v1", "Namespace", "namespaces", namespaced=False)
JSON = "application/json"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class UnlistableError(Exception):
    """The list could not be had; the message is a whole sentence for people."""


class ForbiddenError(UnlistableError):
    """This identity may not list it."""


class ExpiredError(UnlistableError):
    """The revision, or the page token, is older than the server's history (410)."""


class InexactError(UnlistableError):
    """The server answered for another revision than the one that was asked for."""


class Lists:
    """Asks for lists with the same page size and pauses."""

    def __init__(self, connection: Connection, *, page_size: int, pause: Pause) -> None:
        self._connection = connection
        self._page_size = page_size
        self._pause = pause

    def newest(self, type: ResourceType, namespace: str, selector: str) -> ListPage:
        """Return the first object at the server's newest revision, and how many follow."""
        return self._page(type, namespace, [("limit", "1"), *_selecting(selector)])

    def namespaces(self, *, at: str = "") -> tuple[str, ...]:
        """Return the names of all namespaces, at a revision or the newest."""
        return tuple(item.meta.name for item in self.metadata(NAMESPACE, at=at))

    def metadata(self, type: ResourceType, *, at: str = "") -> Iterator[RawObject]:
        """Yield all objects of a kind, their metadata only, at a revision or the newest."""
        for page in self._all_pages(type, "", "", at, METADATA_ONLY):
            yield from page.items

    def pages(
        self, type: ResourceType, namespace: str, selector: str, *, at: str = ""
    ) -> Iterator[ListPage]:
        """Yield all pages at one revision: ``at``, or the newest one when that is "".

        Raises UnlistableError. With ``at``, every page is checked to be of that revision.
        """
        return self._all_pages(type, namespace, selector, at, JSON)

    def _all_pages(
        self, type: ResourceType, namespace: str, selector: str, at: str, accept: str
    ) -> Iterator[ListPage]:
        lasting = [("limit", str(self._page_size)), *_selecting(selector)]
        first = [("resourceVersion", at), ("resourceVersionMatch", "Exact")] if at else []
        query = [*lasting, *first]
        while True:
            page = self._page(type, namespace, query, accept)
            if at:
                check_revision(type, page, at)
            yield page
            if not page.continue_token:
                return
            # The token carries the revision; naming that beside the token is an error (422).
            query = [*lasting, ("continue", page.continue_token)]

    def _page(
        self,
        type: ResourceType,
        namespace: str,
        query: list[tuple[str, str]],
        accept: str = JSON,
    ) -> ListPage:
        path = type.path(namespace)
        for _ in range(TRIES_OF_A_BODY):
            response = self._get(path, query, accept)
            if not response.is_ok:
                raise _objection(type, namespace, response)
            try:
                return wire.skim(response.body)
            except wire.TooDeepError:
                raise UnlistableError("One of the objects is nested too deeply.") from None
            except wire.MalformedJsonError:
                self._pause(0)
        raise UnlistableError("The answer was not a list, or it was cut off.")

    def _get(self, path: str, query: list[tuple[str, str]], accept: str) -> Response:
        try:
            return self._connection.get(path, query, headers={"Accept": accept}, pause=self._pause)
        except ClusterUnreachableError as error:
            # One list that breaks off again and again is this list's failure, but a server that
            # does not answer at all is everybody's.
            self._connection.get("/version", pause=self._pause)
            raise UnlistableError(_sentence(str(error))) from None


def check_revision(type: ResourceType, page: ListPage, at: str) -> None:
    """Raise InexactError unless a page shows the state at a revision.

    A server that does not know resourceVersionMatch may ignore it; what was written after the
    revision would show by its own, newer one.
    """
    if page.resource_version != at:
        said = f"revision {page.resource_version}" if page.resource_version else "no revision"
        raise InexactError(f"Asked for {type.resource_group} at {at}, it answered with {said}.")
    newest = number(at)
    if any(number(item.meta.resource_version) > newest for item in page.items):
        raise InexactError(f"Asked for {type.resource_group} at {at}, it gave newer objects.")


def number(revision: str) -> int:
    """Return a revision for comparing it; 0 when it is unsaid or not a number."""
    return int(revision) if revision.isdecimal() else 0


def _selecting(selector: str) -> list[tuple[str, str]]:
    return [("labelSelector", selector)] if selector else []


def refusal(type: ResourceType, namespace: str) -> str:
    """Return the sentence for a list that this identity may not have."""
    where = f" in namespace {namespace}" if namespace else ""
    return (
        f"This identity may not list {type.resource_group}{where}: {missing_right(type, 'list')}."
    )


def _objection(type: ResourceType, namespace: str, response: Response) -> UnlistableError:
    explanation = response.explanation()
    if response.status == 403:
        return ForbiddenError(refusal(type, namespace))
    if response.status == 410:
        return ExpiredError(f"The API server no longer knows the revision: {explanation}.")
    if response.status == 404:
        return UnlistableError(
            "The API server does not serve it any more, although discovery named it: "
            f"{explanation}."
        )
    return UnlistableError(f"The API server answered {explanation}.")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
