from __future__ import annotations

from typing import Any

import pytest

from kube2git.core.objects import Manifest
from kube2git.core.remap.findings import Moved
from kube2git.core.remap.substitutions import ImageMap, StorageClassMap
from kube2git.core.remap.transforms import Change, Transform, Transformed, transform
from kube2git.errors import UsageError
from tests.unit.core.remap.test_engine import make


def run(manifest: Manifest, step: Transform) -> Transformed:
    return transform([Moved(manifest.ref, manifest)], [step])


def claims(name: str) -> list[Any]:
    spec = {"storageClassName": name, "volumeName": "gold"}
    ephemeral = {"volumes": [{"ephemeral": {"volumeClaimTemplate": {"spec": spec}}}]}
    annotated = {"annotations": {"volume.beta.kubernetes.io/storage-class": name, "x": "gold"}}
    return [
        make("PersistentVolumeClaim", "gold", "shop", spec=spec, metadata=annotated),
        make("PersistentVolume", "gold", spec={"storageClassName": name}),
        make("StatefulSet.apps", "x", "shop", spec={"volumeClaimTemplates": [{"spec": spec}]}),
        make("Deployment.apps", "x", "shop", spec={"template": {"spec": ephemeral}}),
        make("Cluster.postgresql.cnpg.io", "x", "shop", spec={"storage": {"storageClass": name}}),
        make("Any.example.com", "x", "shop", spec={"deep": [{"storageClassName": name}]}),
    ]


@pytest.mark.parametrize(
    ("before", "after"), list(zip(claims("gold"), claims("fast"), strict=True))
)
def test_storage_classes_are_renamed_wherever_one_is_wanted(
    before: Manifest, after: Manifest
) -> None:
    result = run(before, StorageClassMap.parse(["gold=fast", "silver=slow"]))

    assert result.objects[0].manifest.body == after.body
    assert {change[1:2] + change[3:] for change in result.changes} == {
        ("the storage class map", "gold", "fast")
    }


@pytest.mark.parametrize(
    "manifest",
    [
        make("StorageClass.storage.k8s.io", "gold"),
        make("PersistentVolumeClaim", "x", "shop", spec={"storageClassName": ""}),
        make("PersistentVolumeClaim", "x", "shop", spec={"storageClassName": None}),
        make("PersistentVolumeClaim", "x", "shop", spec={"storageClassName": "golden"}),
        make("ConfigMap", "x", "shop", data={"storageClassName": "gold"}),
        make("ResourceQuota", "x", "shop", spec={"hard": {"gold": "1", "pods": "2"}}),
        make("ResourceQuota", "x", "shop"),
    ],
)
def test_other_places_keep_their_storage_class(manifest: Manifest) -> None:
    result = run(manifest, StorageClassMap.parse(["gold=fast"]))

    assert result.objects[0].manifest is manifest
    assert result.changes == []


def test_two_classes_can_be_swapped() -> None:
    swap = StorageClassMap.parse(["gold=fast", "fast=gold"])

    there = run(claims("gold")[2], swap)
    back = run(there.objects[0].manifest, swap)

    assert there.objects[0].manifest.body == claims("fast")[2].body
    assert back.objects[0].manifest.body == claims("gold")[2].body


def test_quotas_by_class_follow() -> None:
    suffix = "storageclass.storage.k8s.io/requests.storage"
    quota = make("ResourceQuota", "q", "shop", spec={"hard": {f"gold.{suffix}": "1", "pods": "2"}})

    result = run(quota, StorageClassMap.parse(["gold=fast"]))

    assert result.objects[0].manifest.body["spec"]["hard"] == {f"fast.{suffix}": "1", "pods": "2"}
    assert result.changes == [
        Change(quota.ref, "the storage class map", "spec.hard", "gold", "fast")
    ]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("old.example/acme/web:1", "new.example/team/acme/web:1"),
        ("old.example/acme/web@sha256:abc", "new.example/team/acme/web@sha256:abc"),
        ("old.example/special/web:1", "elsewhere.example/web:1"),
        ("old.example/special/web", "elsewhere.example/web"),
        ("old.example/special/web-2:1", "new.example/team/special/web-2:1"),
        ("old.example.com/acme/web:1", None),
        ("nginx", "mirror.example/hub/library/nginx"),
        ("nginx:1.29", "mirror.example/hub/library/nginx:1.29"),
        ("acme/web:1", "mirror.example/hub/acme/web:1"),
        ("docker.io/acme/web:1", "mirror.example/hub/acme/web:1"),
        ("acme/web:2", "acme/web:3"),
        ("localhost/web", None),
        ("registry:5000/web", None),
        ("quay.io/a/b:docker.io", None),
        ("", None),
    ],
)
def test_the_longest_rule_counts_for_an_image(image: str, expected: str | None) -> None:
    images = ImageMap.parse(
        [
            "old.example/=new.example/team/",
            "old.example/special/web=elsewhere.example/web",
            "docker.io=mirror.example/hub",
            "acme/web:2=acme/web:3",
        ]
    )

    assert images.rename(image) == expected


def test_images_are_renamed_wherever_one_is_named() -> None:
    def body(image: str) -> Manifest:
        container = {"name": "a/x", "image": image, "command": ["a/x"]}
        return make(
            "CronJob.batch", "x", "shop", metadata={"annotations": {"image": "a/x:1"}},
            spec={"jobTemplate": {"spec": {"template": {"spec": {
                "initContainers": [container],
                "containers": [container],
                "ephemeralContainers": [container],
                "volumes": [{"image": {"reference": image}}],
            }}}}},
        )  # fmt: skip

    result = run(body("a/x:1"), ImageMap.parse(["a/x=b/y"]))

    assert result.objects[0].manifest.body == body("b/y:1").body
    assert [change.path.rpartition("spec.")[2] for change in result.changes] == [
        "initContainers[0].image",
        "containers[0].image",
        "ephemeralContainers[0].image",
        "volumes[0].image.reference",
    ]


def test_images_of_custom_resources_follow_where_the_field_says_so() -> None:
    def body(image: str) -> Manifest:
        return make("Any.example.com", "x", "shop",
                    spec={"imageName": image, "a": [{"image": image}], "image": {"image": image},
                          "picture": "a/x:1"})  # fmt: skip

    result = run(body("a/x:1"), ImageMap.parse(["a/x=b/y"]))

    assert result.objects[0].manifest.body == body("b/y:1").body


def test_only_containers_of_custom_resources_have_short_names_of_images() -> None:
    def body(image: str) -> Manifest:
        template = {"spec": {"containers": [{"image": image}]}}
        return make("Rollout.argoproj.io", "x", "shop", spec={"image": "web", "template": template})

    result = run(body("web"), ImageMap.parse(["docker.io=mirror.example"]))

    assert result.objects[0].manifest.body == body("mirror.example/library/web").body


@pytest.mark.parametrize("parse", [ImageMap.parse, StorageClassMap.parse])
def test_all_problems_are_told_at_once(parse: Any) -> None:
    with pytest.raises(UsageError) as caught:
        parse(["gold", "=x", "x=", "a b=c", "one=two", "one=three", "one=two"])

    assert str(caught.value).splitlines()[1:] == [
        "- 'gold' is not of the form FROM=TO.",
        "- '=x' is not of the form FROM=TO.",
        "- 'x=' is not of the form FROM=TO.",
        "- 'a b=c' is not of the form FROM=TO.",
        "- 'one' is to become both 'two' and 'three'.",
    ]
    assert "FROM=TO" in caught.value.hint
