"""Where the same piece of an object stands inside many kinds: pod templates, claim templates.

A rule for ``<pod>`` or ``<claim>`` is written relative to that piece and holds wherever it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

POD = "<pod>"
"""A Pod or a pod template: ``metadata`` and ``spec`` are below it."""

CLAIM = "<claim>"
"""A PersistentVolumeClaim or a claim template: ``metadata`` and ``spec`` are below it."""

_PODS: tuple[tuple[str, str], ...] = (
    ("Pod", ""),
    ("PodTemplate", "template"),
    ("ReplicationController", "spec.template"),
    ("Deployment.apps", "spec.template"),
    ("ReplicaSet.apps", "spec.template"),
    ("StatefulSet.apps", "spec.template"),
    ("DaemonSet.apps", "spec.template"),
    ("Job.batch", "spec.template"),
    ("CronJob.batch", "spec.jobTemplate.spec.template"),
    # Custom resources that carry a whole pod template.
    ("Rollout.argoproj.io", "spec.template"),
    ("DeploymentConfig.apps.openshift.io", "spec.template"),
    ("Service.serving.knative.dev", "spec.template"),
    ("Configuration.serving.knative.dev", "spec.template"),
    ("ScaledJob.keda.sh", "spec.jobTargetRef.template"),
    ("CloneSet.apps.kruise.io", "spec.template"),
    ("StatefulSet.apps.kruise.io", "spec.template"),
    ("DaemonSet.apps.kruise.io", "spec.template"),
    ("BroadcastJob.apps.kruise.io", "spec.template"),
    ("AdvancedCronJob.apps.kruise.io", "spec.template.jobTemplate.spec.template"),
    ("JobSet.jobset.x-k8s.io", "spec.replicatedJobs[].template.spec.template"),
    ("LeaderWorkerSet.leaderworkerset.x-k8s.io", "spec.leaderWorkerTemplate.leaderTemplate"),
    ("LeaderWorkerSet.leaderworkerset.x-k8s.io", "spec.leaderWorkerTemplate.workerTemplate"),
    ("Job.batch.volcano.sh", "spec.tasks[].template"),
    ("*.kubeflow.org", "spec.*ReplicaSpecs.*.template"),
    ("Notebook.kubeflow.org", "spec.template"),
    ("RayCluster.ray.io", "spec.headGroupSpec.template"),
    ("RayCluster.ray.io", "spec.workerGroupSpecs[].template"),
    ("*.k8s.elastic.co", "spec.podTemplate"),
    ("*Issuer.cert-manager.io", "spec.acme.solvers[].http01.*.podTemplate"),
    ("Elasticsearch.elasticsearch.k8s.elastic.co", "spec.nodeSets[].podTemplate"),
)

_CLAIMS: tuple[tuple[str, str], ...] = (
    ("PersistentVolumeClaim", ""),
    ("StatefulSet.apps", "spec.volumeClaimTemplates[]"),
    *((kind, f"{path}.spec.volumes[].ephemeral.volumeClaimTemplate") for kind, path in _PODS),
    # Custom resources that carry whole claim templates.
    ("StatefulSet.apps.kruise.io", "spec.volumeClaimTemplates[]"),
    ("CloneSet.apps.kruise.io", "spec.volumeClaimTemplates[]"),
    ("Prometheus.monitoring.coreos.com", "spec.storage.volumeClaimTemplate"),
    ("PrometheusAgent.monitoring.coreos.com", "spec.storage.volumeClaimTemplate"),
    ("Alertmanager.monitoring.coreos.com", "spec.storage.volumeClaimTemplate"),
    ("ThanosRuler.monitoring.coreos.com", "spec.storage.volumeClaimTemplate"),
    ("Elasticsearch.elasticsearch.k8s.elastic.co", "spec.nodeSets[].volumeClaimTemplates[]"),
)

PLACES = {POD: _PODS, CLAIM: _CLAIMS}


def paths_in(kind_group: str, kinds: Iterable[str], path: str) -> Iterator[str]:
    """Yield where a rule's path stands in objects of one kind, nothing when it does not apply."""
    seen = set()
    for pattern in kinds:
        if pattern not in PLACES:
            if fnmatchcase(kind_group, pattern):
                seen.add(path)
            continue
        for where, root in PLACES[pattern]:
            if fnmatchcase(kind_group, where):
                seen.add(f"{root}.{path}".lstrip("."))
    yield from sorted(seen)
