"""What a commit's object must become to be written into this target, and which are left out.

Each change is a rule of replay with a reason that the plan shows. Two forms come out: the manifest
that is compared with the live object, and the body that is sent; they differ where a field is only
set at creation or kept for its present owner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kube2git.core.objects import Manifest, ObjectRef, ResourceType, group_of
from kube2git.core.ownership import Fields, Owner, owners_of
from kube2git.core.planning import nodeports
from kube2git.core.planning.adoption import SharedStorage, held_by
from kube2git.core.planning.live import LiveObject, cluster_ips, node_ports
from kube2git.core.planning.plan import Action
from kube2git.core.planning.policy import Jobs, Policy, Volumes, Webhooks
from kube2git.core.planning.stances import OWN_MANAGER
from kube2git.core.volumes import RETAIN, ClaimName, requested, with_size
from kube2git.core.wire import Json
from kube2git.core.workloads import SCALED, WORKLOADS, dig, items_of

WEBHOOK_KINDS = frozenset(
    {
        "MutatingWebhookConfiguration.admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
    }
)

NO_NODE = "kube2git.io/scaled-to-nothing"
"""A label that no node has; a DaemonSet that selects it runs nowhere."""


_POLICY = "persistentVolumeReclaimPolicy"


@dataclass(frozen=True, slots=True)
class Adapted:
    """One object, ready for this target."""

    manifest: Manifest
    """What the object should be: compare the live one with it."""
    body: Json = field(repr=False)
    """What to send. Its ownerReferences still lack their uids: ``with_owner_uids``."""
    action: Action | None = None
    """SKIP or BLOCKED when it is not to be written; an equal live object is unchanged all the
    same."""
    reason: str = ""
    warnings: tuple[str, ...] = ()
    ports_of_others: Mapping[int, ObjectRef] = field(default_factory=dict)
    """Node ports of this Service -> the one that has it still, and gets another in this replay."""


class _Draft:
    """An object while the rules change it."""

    def __init__(self, manifest: Manifest) -> None:
        self.ref = manifest.ref
        self.body = manifest.body
        self.only_sent: dict[str, Any] = {}
        """Fields of the spec that are sent and not compared."""
        self.warnings: list[str] = []
        self.ports_of_others: dict[int, ObjectRef] = {}
        self.action: Action | None = None
        self.reason = ""
        self._manifest = manifest

    def set_spec(self, **values: Any) -> None:
        self.body = {**self.body, "spec": {**(self.body.get("spec") or {}), **values}}

    def drop_spec(self, *names: str) -> None:
        spec = self.body.get("spec") or {}
        self.body = {
            **self.body,
            "spec": {name: value for name, value in spec.items() if name not in names},
        }

    def stop(self, action: Action, reason: str) -> None:
        if self.action is None:
            self.action, self.reason = action, reason

    def finish(self) -> Adapted:
        unchanged = self.body == self._manifest.body
        manifest = self._manifest if unchanged else Manifest.of(self.body)
        body = manifest.body
        if self.only_sent:
            body = {**body, "spec": {**(body.get("spec") or {}), **self.only_sent}}
        return Adapted(
            manifest, body, self.action, self.reason, tuple(self.warnings), self.ports_of_others
        )


class Adapter:
    """Adapts the objects of one replay; knows what the set and the target hold."""

    def __init__(
        self,
        desired: Iterable[Manifest],
        live: Mapping[ObjectRef, LiveObject],
        policy: Policy,
        types: Mapping[str, ResourceType] | None,
        storage: SharedStorage,
    ) -> None:
        self._policy = policy
        self._live = live
        self._types = types
        self._storage = storage
        self._made_versions: dict[str, list[str]] = {}
        """kind_group -> versions that definitions of the same commit serve."""
        self._served_groups: dict[str, list[str]] = {}
        """API group -> versions that API servers of the same commit serve."""
        self._least_replicas: dict[ObjectRef, int] = {}
        self._adopted: dict[str, Json] = {}
        self._given_up: dict[ObjectRef, frozenset[int]] = {}
        """Node ports that live Services have and that the commit gives them no more."""
        for manifest in desired:
            self._learn(manifest)
        self._ports: dict[int, ObjectRef] = {}
        self._addresses: dict[str, ObjectRef] = {}
        for ref in sorted(live):
            known = live[ref]
            self._ports.update(dict.fromkeys(known.node_ports, ref))
            self._addresses.update(dict.fromkeys(known.cluster_ips, ref))

    def _learn(self, manifest: Manifest) -> None:
        ref, body = manifest.ref, manifest.body
        kind = ref.kind_group
        if kind == "CustomResourceDefinition.apiextensions.k8s.io":
            group, made = dig(body, "spec", "group"), dig(body, "spec", "names", "kind")
            self._made_versions[f"{made}.{group}"] = [
                str(version.get("name"))
                for version in items_of(body, "spec", "versions")
                if version.get("served") is True
            ]
        elif kind == "APIService.apiregistration.k8s.io":
            if dig(body, "spec", "service"):
                versions = self._served_groups.setdefault(str(dig(body, "spec", "group")), [])
                versions.append(str(dig(body, "spec", "version")))
        elif kind == "HorizontalPodAutoscaler.autoscaling":
            target = dig(body, "spec", "scaleTargetRef") or {}
            least = dig(body, "spec", "minReplicas")
            scaled = ObjectRef(
                group_of(str(target.get("apiVersion") or "")),
                str(target.get("kind")),
                ref.namespace,
                str(target.get("name")),
            )
            self._least_replicas[scaled] = least if isinstance(least, int) else 1
        elif kind == "Service" and ref in self._live:
            self._given_up[ref] = nodeports.given_up(body, self._live[ref])
        elif kind == "PersistentVolume" and self._policy.adopt_volumes:
            self._adopted[ref.name] = body

    def adapt(self, manifest: Manifest, live: LiveObject | None) -> Adapted:
        """Apply every rule to one object; ``live`` None: as if it is to be created."""
        draft = _Draft(manifest)
        self._choose_version(draft)
        kind = manifest.ref.kind_group
        if kind in WEBHOOK_KINDS and self._policy.webhooks is Webhooks.SKIP:
            draft.stop(Action.SKIP, "Webhook configurations are left out (--webhooks=skip).")
        if self._policy.protects(manifest.ref.namespace) or (
            kind == "Namespace" and self._policy.protects(manifest.ref.name)
        ):
            name = manifest.ref.namespace or manifest.ref.name
            draft.stop(
                Action.SKIP,
                f"The namespace {name} belongs to the cluster itself. Name it (-n {name}) to "
                "replay into it.",
            )
        rule = self._rules.get(kind)
        if rule is not None:
            rule(self, draft, live)
        if kind in WORKLOADS:
            self._scale(draft, live)
        return draft.finish()

    def _choose_version(self, draft: _Draft) -> None:
        if self._types is None:
            return
        kind = draft.ref.kind_group
        type = self._types.get(kind)
        served = [*(type.versions or (type.version,))] if type is not None else []
        served += self._made_versions.get(kind, [])
        if type is None:
            # Which kinds an API server brings is not known before it runs.
            served += self._served_groups.get(draft.ref.group, [])
        if not served:
            draft.stop(
                Action.BLOCKED,
                f"The target does not serve the kind {kind}. Install what defines it first.",
            )
            return
        if type is not None and type.namespaced != bool(draft.ref.namespace):
            scope = "namespaced" if type.namespaced else "cluster-scoped"
            draft.stop(Action.BLOCKED, f"The kind {kind} is {scope} in the target.")
        recorded = str(draft.body.get("apiVersion")).rpartition("/")[2]
        if recorded not in served:
            version = type.version if type is not None else served[0]
            group = f"{draft.ref.group}/" if draft.ref.group else ""
            draft.body = {**draft.body, "apiVersion": f"{group}{version}"}
            draft.warnings.append(
                f"It is recorded as {group}{recorded}, which the target does not serve, and is "
                f"written as {group}{version}."
            )

    def _job(self, draft: _Draft, live: LiveObject | None) -> None:
        if self._policy.jobs is Jobs.RUN:
            return
        if live is not None:
            # A replay neither starts nor stops a Job that is there.
            suspended = dig(live.manifest.body, "spec", "suspend")
            if suspended is None:
                draft.drop_spec("suspend")
            else:
                draft.set_spec(suspend=suspended)
            return
        if self._policy.jobs is Jobs.SKIP:
            draft.stop(Action.SKIP, "Jobs are not created (--jobs=skip).")
        if dig(draft.body, "spec", "suspend") is not True:
            draft.set_spec(suspend=True)
            draft.warnings.append(
                "It is created suspended, since a commit does not tell whether it had completed. "
                "Add --jobs=run to run it."
            )

    def _scale(self, draft: _Draft, live: LiveObject | None) -> None:
        kind, wanted = draft.ref.kind_group, self._policy.replicas
        least = self._least_replicas.get(draft.ref)
        scales_itself = kind in SCALED and dig(draft.body, "spec", "replicas") is None
        if kind in SCALED and wanted is not None:
            if not scales_itself:
                draft.set_spec(replicas=wanted)
            elif live is None:
                draft.only_sent["replicas"] = wanted
        elif scales_itself and live is None:
            if least is not None:
                draft.only_sent["replicas"] = least
        elif scales_itself and live is not None:
            # Once kube2git has set replicas, an apply without them would set them back to 1.
            owners = owners_of(Fields.read(live.managed_fields), ("spec", "replicas"))
            if live.replicas is not None and Owner(OWN_MANAGER, "", "Apply") in owners:
                draft.only_sent["replicas"] = live.replicas
        if wanted == 0 and (kind == "CronJob.batch" or (kind == "Job.batch" and live is None)):
            draft.set_spec(suspend=True)
        if wanted == 0 and kind == "Pod":
            draft.stop(Action.SKIP, "A Pod cannot be scaled to nothing (--replicas=0).")
        elif wanted == 0 and kind == "DaemonSet.apps":
            _put_on_no_node(draft)
        elif wanted is not None and kind in ("DaemonSet.apps", "Pod"):
            draft.warnings.append(f"A {draft.ref.kind} cannot be scaled: it runs as it is.")

    def _volume(self, draft: _Draft, live: LiveObject | None) -> None:
        if not self._policy.adopt_volumes:
            draft.stop(
                Action.SKIP,
                "A PersistentVolume is only a record: its data comes back from a snapshot. "
                "Add --adopt-volumes to write static ones.",
            )
            return
        refusal = self._storage.why_not(draft.body)
        if refusal:
            draft.stop(Action.BLOCKED, refusal)
        claim = dig(draft.body, "spec", "claimRef")
        if isinstance(claim, dict):
            kept = {name: claim[name] for name in claim if name not in ("uid", "resourceVersion")}
            draft.set_spec(claimRef=kept)
        recorded = dig(draft.body, "spec", _POLICY)
        is_so_already = live is not None and dig(live.manifest.body, "spec", _POLICY) == recorded
        if recorded != RETAIN and not is_so_already:
            draft.set_spec(**{_POLICY: RETAIN})
            draft.warnings.append(
                f"Its reclaim policy is Retain and stays so, although the commit says {recorded}: "
                "two clusters may know the volume. Once only this one does, you can change it "
                "with kubectl."
            )

    def _claim(self, draft: _Draft, live: LiveObject | None) -> None:
        if live is None and self._policy.volumes is Volumes.SKIP:
            draft.stop(Action.SKIP, "Claims are not created (--volumes=skip).")
        if live is not None and requested(live.manifest.body) > requested(draft.body):
            # It has been expanded, or restored from a larger snapshot; the server shrinks none.
            draft.body = with_size(draft.body, requested(live.manifest.body))
            draft.warnings.append("It is larger than in the commit, and a claim cannot shrink.")
        if live is not None:
            # Where its volume and its data came from is settled once and for all.
            origin = {
                field: dig(live.manifest.body, "spec", field)
                for field in ("volumeName", "dataSource", "dataSourceRef")
                if dig(draft.body, "spec", field) is None
            }
            draft.set_spec(**{field: value for field, value in origin.items() if value})
        if live is None:
            self._choose_volume(draft)

    def _choose_volume(self, draft: _Draft) -> None:
        """Keep the volume that a new claim names only if it is there, and for this claim."""
        name = dig(draft.body, "spec", "volumeName")
        if not name:
            return
        here = self._storage.named(name)
        holder = held_by(name, self._storage, self._adopted)
        own = ClaimName(draft.ref.namespace, draft.ref.name)
        if here is None and name not in self._adopted:
            reason = f"Its PersistentVolume {name} does not exist in the target"
        elif holder is not None and holder != own:
            reason = f"Its PersistentVolume {name} is that of the claim {holder}"
        else:
            if here is not None and here.phase == "Released":
                draft.warnings.append(
                    f"Its PersistentVolume {name} still waits for the claim that was deleted. It "
                    f"is bound once that is forgotten: kubectl patch pv {name} --type=json "
                    """-p '[{"op":"remove","path":"/spec/claimRef/uid"}]'"""
                )
            return
        draft.drop_spec("volumeName")
        if dig(draft.body, "spec", "storageClassName") != "":
            draft.warnings.append(f"{reason}, so its storage class is asked for a new one.")
        elif self._policy.volumes is not Volumes.RESTORE:
            # Without the name it would take whichever free volume fits.
            draft.stop(
                Action.BLOCKED,
                f"{reason}, and an empty storage class makes none. Bring the volume "
                "(--adopt-volumes), name another one or a class in a patch (replay.patches), or "
                "leave claims out (--volumes=skip).",
            )

    def _service(self, draft: _Draft, _: LiveObject | None) -> None:
        for address in sorted(cluster_ips(draft.body)):
            holder = self._addresses.get(address, draft.ref)
            if holder != draft.ref:
                draft.drop_spec("clusterIP", "clusterIPs")
                draft.warnings.append(
                    f"The cluster IP {address} belongs to {holder}: it gets another one."
                )
        for port in sorted(node_ports(draft.body)):
            holder = self._ports.get(port, draft.ref)
            if holder != draft.ref and port in self._given_up.get(holder, ()):
                draft.ports_of_others[port] = holder
                draft.warnings.append(
                    f"It takes the node port {port} over from {holder}, which gives it up first."
                )
            elif holder != draft.ref:
                draft.body = nodeports.without(draft.body, {port})
                draft.warnings.append(
                    f"The node port {port} belongs to {holder}: it gets another one."
                )

    _rules: Mapping[str, Callable[[Adapter, _Draft, LiveObject | None], None]] = {
        "Job.batch": _job,
        "PersistentVolume": _volume,
        "PersistentVolumeClaim": _claim,
        "Service": _service,
    }


def _put_on_no_node(draft: _Draft) -> None:
    template = dig(draft.body, "spec", "template") or {}
    pods = template.get("spec") or {}
    selector = {**(pods.get("nodeSelector") or {}), NO_NODE: "true"}
    draft.set_spec(template={**template, "spec": {**pods, "nodeSelector": selector}})
    draft.warnings.append(
        f"A DaemonSet cannot be scaled: the node selector {NO_NODE}, which no node has, keeps it "
        "from running."
    )


def with_owner_uids(
    body: Json, uid_of: Callable[[ObjectRef], str | None]
) -> tuple[Json, tuple[str, ...]]:
    """Return ``body`` with the uids of its owners, and a sentence for each that is dropped.

    An owner without a uid makes the server refuse the object, and one with a wrong uid gets it
    deleted by the garbage collector within a second.
    """
    metadata = body.get("metadata") or {}
    namespace = str(metadata.get("namespace") or "")
    found: list[Json] = []
    dropped: list[str] = []
    for owner in items_of(body, "metadata", "ownerReferences"):
        group, kind = group_of(str(owner.get("apiVersion") or "")), str(owner.get("kind"))
        name = str(owner.get("name"))
        near, far = ObjectRef(group, kind, namespace, name), ObjectRef(group, kind, "", name)
        uid = uid_of(near) or (uid_of(far) if namespace else None)
        if uid:
            found.append({**owner, "uid": uid})
        else:
            dropped.append(f"Its owner {near} does not exist in the target: it stands alone now.")
    if not found and not dropped:
        return body, ()
    rest = {name: value for name, value in metadata.items() if name != "ownerReferences"}
    if found:
        rest["ownerReferences"] = found
    return {**body, "metadata": rest}, tuple(dropped)


def under_temporary_name(body: Json) -> Json:
    """Return a copy under a name of its own, for a dry-run create: would the object be accepted?"""
    metadata = body.get("metadata") or {}
    # CronJobs have the shortest names of all kinds: 52 characters.
    name = f"{str(metadata.get('name'))[:40].rstrip('-.:')}-kube2git"
    return {**body, "metadata": {**metadata, "name": name}}
