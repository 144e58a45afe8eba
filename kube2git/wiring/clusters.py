"""Clusters, and what this process is in its own one: its namespace, Leases and Events."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kube2git.config import Settings
from kube2git.errors import UsageError

if TYPE_CHECKING:
    from kube2git.adapters.kube.applying import KubeTarget
    from kube2git.adapters.kube.cluster import KubeCluster
    from kube2git.adapters.kube.connection import ConnectionSettings
    from kube2git.adapters.kube.events import KubeEvents
    from kube2git.adapters.kube.leasing import KubeLease

_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def cluster(settings: Settings) -> KubeCluster:
    """Connect to the API server; raise ClusterUnreachableError or UsageError."""
    from kube2git.adapters.kube.cluster import KubeCluster
    from kube2git.adapters.kube.connection import connect

    chosen = settings.cluster
    connection = connect(connection_settings(settings))
    return KubeCluster(connection, connections=chosen.connections, page_size=chosen.page_size)


def target(settings: Settings) -> KubeTarget:
    """Connect to an API server that is written to; raise as ``cluster`` does."""
    from kube2git.adapters.kube.applying import KubeTarget
    from kube2git.adapters.kube.connection import connect

    chosen, writers = settings.cluster, settings.replay.connections
    base = connection_settings(settings)
    return KubeTarget(
        connect(replace(base, connections=max(base.connections, writers))),
        connections=chosen.connections,
        page_size=chosen.page_size,
        writers=writers,
    )


def neighbours(settings: Settings, contexts: Iterable[str]) -> dict[str, KubeCluster]:
    """Connect to clusters that share the target's storage, by context; raise UsageError.

    As whom is up to each context: whoever is impersonated in the target may be nobody there.
    """
    found = {}
    for context in contexts:
        chosen = replace(settings.cluster, context=context, impersonate="", impersonate_groups=())
        found[context] = cluster(replace(settings, cluster=chosen))
    return found


def connection_settings(settings: Settings) -> ConnectionSettings:
    from kube2git.adapters.kube.connection import ConnectionSettings

    chosen = settings.cluster
    return ConnectionSettings(
        kubeconfig=chosen.kubeconfig,
        context=chosen.context,
        as_user=chosen.impersonate,
        as_groups=chosen.impersonate_groups,
        request_timeout=chosen.request_timeout,
        connections=chosen.connections,
    )


def lease(settings: Settings) -> KubeLease:
    """Return the Lease that replicas of the daemon share; raise UsageError."""
    chosen = settings.serve
    namespace = own_namespace(settings)
    if not namespace:
        raise UsageError(
            "no namespace is known for the Lease",
            hint="Set serve.lease_namespace, or leave serve.lease_name empty.",
        )
    return named_lease(settings, namespace, chosen.lease_name, chosen.lease_seconds)


def named_lease(
    settings: Settings, namespace: str, name: str, seconds: float, *, mark: str = ""
) -> KubeLease:
    """Return a Lease for this process to hold; ``mark`` stands before the holder's name."""
    from kube2git.adapters.kube.connection import connect
    from kube2git.adapters.kube.leasing import KubeLease
    from kube2git.adapters.kube.retrying import Backoff

    # A claim that has to wait is one that fails: the next one comes soon.
    patience = max(1.0, seconds / 3)
    connection = replace(
        connection_settings(settings), request_timeout=patience, backoff=Backoff(attempts=1)
    )
    holder = f"{mark}{socket.gethostname()}_{uuid.uuid4().hex[:8]}"
    return KubeLease(connect(connection), namespace, name, holder, seconds=seconds)


def events(settings: Settings) -> KubeEvents | None:
    """Return what writes Events about the daemon; None where its namespace is not known."""
    from kube2git.adapters.kube.connection import connect
    from kube2git.adapters.kube.events import KubeEvents
    from kube2git.adapters.kube.retrying import Backoff

    namespace = own_namespace(settings)
    if not namespace:
        return None
    connection = replace(
        connection_settings(settings), request_timeout=5.0, backoff=Backoff(attempts=1)
    )
    pod = socket.gethostname() if _OWN_NAMESPACE.exists() else ""
    return KubeEvents(connect(connection), namespace, pod)


def own_namespace(settings: Settings) -> str:
    """Return the daemon's own namespace; "" when it is not said and this is no Pod."""
    if settings.serve.lease_namespace:
        return settings.serve.lease_namespace
    try:
        return _OWN_NAMESPACE.read_text().strip()
    except OSError:
        return ""
