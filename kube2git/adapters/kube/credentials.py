"""Which API server, as whom: found where kubectl finds it, and renewed on demand.

The only door to the kubernetes package, which reads kubeconfig files, runs exec plugins, and
knows tokens, certificates, proxies and the Pod's own account. What it says of a kubeconfig is
never passed on unread, since its messages can quote tokens.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject
from kubernetes.config import ConfigException, incluster_config, kube_config

from kube2git.errors import ClusterDeniedError, UsageError

if TYPE_CHECKING:
    import urllib3

IN_CLUSTER = "in-cluster"

# The package's functions carry no types.
_load_in_cluster: Callable[[Configuration], None] = incluster_config.load_incluster_config
_load_kubeconfig: Callable[[str, str, Configuration], None] = kube_config.load_kube_config
_read_kubeconfig: Callable[[str], Any] = kube_config.KubeConfigMerger
_yaml: Any = vars(kube_config)["yaml"]


class Credentials:
    """Credentials as they were loaded once, and the connections that use them. Not thread-safe."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self.server: str = configuration.host
        self.manager: urllib3.PoolManager = RESTClientObject(configuration).pool_manager

    def authorization(self) -> str:
        """Return the header's value, "" without one; a token that has run out is renewed."""
        with _overheard():
            return self._configuration.get_api_key_with_prefix("BearerToken") or ""

    def open_channel(self, url: str, authorization: str) -> Channel:
        """Open the streams of a command in a Pod; raise ChannelError."""
        # Imported late: exports and replays never need it.
        from kubernetes.client.exceptions import ApiException
        from kubernetes.stream import ws_client

        open_websocket: Callable[..., Channel] = ws_client.websocket_call
        headers = {"authorization": authorization} if authorization else {}
        try:
            return open_websocket(
                self._configuration,
                "GET",
                url,
                headers=headers,
                capture_all=False,
                _preload_content=False,
            )
        except ApiException as error:
            # Its words quote the answer's headers.
            status = re.match(r"Handshake status ([0-9]{3})", str(error.reason))
            raise ChannelError(int(status[1]) if status else 0) from None


class Channel(Protocol):
    """The streams of a running command."""

    def run_forever(self, timeout: float | None = None) -> None: ...

    def is_open(self) -> bool: ...

    def read_channel(self, channel: int, timeout: float = 0) -> str: ...

    def close(self) -> None: ...


class ChannelError(Exception):
    """A command could not be started; ``status`` is what the API server answered, 0 for nothing."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}" if status else "no answer")
        self.status = status


@dataclass(frozen=True, slots=True)
class Account:
    """Where credentials come from."""

    context: str
    """Name of the kubeconfig context, or "in-cluster"."""
    impersonation: tuple[tuple[str, str], ...]
    """Headers for acting as somebody else."""
    fill: Callable[[Configuration], None]
    plugin: str = ""
    """The command that gives the credentials, if one does."""

    def load(self, *, pool_size: int) -> Credentials:
        """Read files and ask plugins anew; raise UsageError, or ClusterDeniedError (plugin)."""
        configuration = Configuration()
        configuration.connection_pool_maxsize = pool_size
        configuration.keep_alive = True
        with _overheard() as said:
            self.fill(configuration)
        if self.plugin and not (configuration.api_key or configuration.cert_file):
            why = f": {said[-1][:300]}" if said else ""
            raise ClusterDeniedError(
                f"the plugin {self.plugin} gave no credentials{why}",
                hint="Log in again; `kubectl get --raw /version` should work with this context.",
            )
        return Credentials(configuration)


def find_account(
    kubeconfig: str, context: str, *, as_user: str = "", as_groups: Sequence[str] = ()
) -> Account:
    """Find the kubeconfig, or the Pod's own account; raise UsageError when there is neither."""
    if as_groups and not as_user:
        raise UsageError("to act as a member of a group, a user must be given: say --as USER")
    impersonated = {"as": as_user, "as-groups": as_groups} if as_user else {}
    paths = kubeconfig or os.environ.get("KUBECONFIG", "")
    if not paths:
        default = Path("~/.kube/config").expanduser()
        paths = str(default) if default.is_file() else ""
    if any(Path(path).expanduser().is_file() for path in paths.split(os.pathsep) if path):
        return _account_of_kubeconfig(paths, context, impersonated)
    if kubeconfig or context:
        raise UsageError(
            f"there is no kubeconfig at {paths or '~/.kube/config'}",
            hint="Say --kubeconfig PATH, or set KUBECONFIG.",
        )
    try:
        _load_in_cluster(Configuration())
    except (ConfigException, OSError):
        raise UsageError(
            "no cluster is configured: there is no kubeconfig, and this is not a Pod",
            hint="Say --kubeconfig PATH, or set KUBECONFIG.",
        ) from None
    return Account(IN_CLUSTER, _impersonation(impersonated), _load_in_cluster)


def _account_of_kubeconfig(paths: str, context: str, impersonated: Mapping[str, Any]) -> Account:
    with _explained(paths):
        config = _read_kubeconfig(paths).config
        if config is None:
            raise ConfigException("it is empty")
        context = context or config.value.get("current-context") or ""
        if not context:
            raise ConfigException("it names no current-context; say --context")
        names = config["contexts"].get_with_name(context)["context"].value
        if "server" not in config["clusters"].get_with_name(names["cluster"])["cluster"]:
            raise ConfigException(f"the cluster of context {context} has no server")
        found = config["users"].get_with_name(names.get("user"), safe=True)
        user = (found.value.get("user") if found else None) or {}
        headers = _impersonation(impersonated or user)
        plugin = str((user.get("exec") or {}).get("command") or "")

    def fill(configuration: Configuration) -> None:
        # Tokens that a provider hands out only once are written back, as kubectl does.
        with _explained(paths):
            _load_kubeconfig(paths, context, configuration)

    return Account(context, headers, fill, plugin)


def _impersonation(user: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the headers that a kubeconfig's user entry asks for with its ``as`` fields."""
    if not user.get("as"):
        return ()
    headers = [("Impersonate-User", user["as"])]
    headers += [("Impersonate-Group", group) for group in user.get("as-groups") or ()]
    if user.get("as-uid"):
        headers.append(("Impersonate-Uid", user["as-uid"]))
    for key, values in (user.get("as-user-extra") or {}).items():
        headers += [(f"Impersonate-Extra-{key}", value) for value in values]
    return tuple(headers)


@contextlib.contextmanager
def _overheard() -> Iterator[list[str]]:
    """Catch what the package logs on the root logger where it should have raised."""
    said: list[str] = []

    def catch(record: logging.LogRecord) -> bool:
        said.append(record.getMessage())
        return False

    root, silent = logging.getLogger(), logging.NullHandler()
    root.addFilter(catch)
    root.addHandler(silent)  # without any handler, logging would install one for good
    try:
        yield said
    finally:
        root.removeFilter(catch)
        root.removeHandler(silent)


@contextlib.contextmanager
def _explained(paths: str) -> Iterator[None]:
    """Turn what is wrong with a kubeconfig into UsageError, without quoting the file."""
    try:
        yield
    except _yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise _unusable(paths, f"it is not YAML{where}") from None
    except ConfigException as error:
        # The package names a place by printing what stands there, credentials included.
        raise _unusable(paths, str(error).partition("{")[0].splitlines()[0]) from None
    except OSError as error:
        raise _unusable(paths, error.strerror or "it cannot be read") from None
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _unusable(paths, "it does not have the shape of a kubeconfig") from None


def _unusable(paths: str, why: str) -> UsageError:
    return UsageError(
        f"the kubeconfig {paths} cannot be used: {why}",
        hint="`kubectl config view` shows what it says.",
    )
