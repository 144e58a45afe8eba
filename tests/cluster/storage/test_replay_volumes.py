"""Two clusters on one storage: no replay makes a cluster take a volume that the other one uses."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml

from tests.cluster.storage import CLASSES, Object, Storage
from tests.cluster.test_replay import Replayer, planned
from tests.controlplane import ControlPlane
from tests.controlplane.ports import choose_ports
from tests.handmade import commit_file

pytestmark = pytest.mark.needs("csi")

VOLUMES = "/api/v1/persistentvolumes"


@pytest.fixture
def replayer(storage: Storage, storage_target: Storage, tmp_path: Path) -> Replayer:
    return Replayer(storage.plane, storage_target.plane, tmp_path)


@pytest.fixture
def space(storage: Storage) -> str:
    return storage.plane.create_namespace("volumes")


def create_static(storage: Storage, namespace: str, name: str) -> str:
    """Create a claim on a static PersistentVolume that deletes, and return the volume's handle.

    The storage has the volume from a claim of before, as when somebody keeps one through a move.
    """
    storage.create_claim(namespace, "before", files={name: b"bytes"})
    old = storage.volume(namespace, "before")["metadata"]["name"]
    handle = storage.handle(namespace, "before")
    storage.plane.kubectl("patch", "pv", old, "-p", policy("Retain"))
    storage.plane.kubectl("delete", "pvc/before", "-n", namespace)
    storage.plane.kubectl("delete", "pv", old)
    static = f"{namespace}-{name}"
    claim = {"kind": "PersistentVolumeClaim", "namespace": namespace, "name": name}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": static},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "claimRef": {"apiVersion": "v1", **claim},
            "csi": {"driver": storage.driver.name, "volumeHandle": handle},
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": CLASSES,
        },
    }
    storage.plane.create(VOLUMES, volume)
    storage.create_claim(namespace, name, volume=static)
    assert storage.handle(namespace, name) == handle
    return handle


def policy(name: str) -> str:
    return f'{{"spec":{{"persistentVolumeReclaimPolicy":"{name}"}}}}'


def as_it_was(volume: Object) -> Object:
    """Return a PersistentVolume as other tools take it to another cluster: with its claim's uid."""
    metadata = {name: volume["metadata"][name] for name in ("name", "annotations")}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": metadata,
        "spec": volume["spec"],
    }


def taken(storage: Storage, handles: set[str]) -> dict[str, Object]:
    """Return the PersistentVolumes of a cluster that are one of these volumes, by name."""
    return {
        volume["metadata"]["name"]: volume
        for volume in storage.items(VOLUMES)
        if volume["spec"].get("csi", {}).get("volumeHandle") in handles
    }


def test_the_disaster_that_a_volume_written_as_it_was_would_be(
    storage: Storage, storage_target: Storage, space: str
) -> None:
    """So that the tests below are seen to test something."""
    storage.create_claim(space, "data", files={"a": b"bytes"})
    volume, handle = storage.volume(space, "data"), storage.handle(space, "data")
    storage_target.plane.create(VOLUMES, as_it_was(volume))
    storage.plane.wait(lambda: handle not in storage.driver.state.volumes, "The disaster")
    assert storage.volume(space, "data")["status"]["phase"] == "Bound"


EVERY_FLAG = (
    "--recreate",
    "--prune=all",
    *(f"--allow-prune={what}" for what in ("many", "volumes", "claims", "namespaces", "others")),
    "--take-over=*",
    "--jobs=run",
    "--replicas=0",
    "--without-secrets",
    "--cluster-scoped=yes",
)


def test_no_flag_but_adoption_takes_or_deletes_a_volume(
    replayer: Replayer, storage: Storage, storage_target: Storage, space: str
) -> None:
    static = create_static(storage, space, "static")
    storage.create_claim(space, "made", files={"b": b"bytes"})
    made = storage.volume(space, "made")
    handles = {static, storage.handle(space, "made")}
    replayer.tool.export("-n", space)
    file = f"cluster/PersistentVolume/{made['metadata']['name']}.yaml"
    # What a provisioner made is not even recorded; here somebody has done so by hand.
    assert file not in replayer.tool.paths()
    assert f"cluster/PersistentVolume/{space}-static.yaml" in replayer.tool.paths()
    commit_file(replayer.tool, file, yaml.safe_dump(as_it_was(made)))

    for flags in ((), EVERY_FLAG, (*EVERY_FLAG, "--volumes=restore")):
        replayer.report("-n", space, *flags, codes=(0, 3))
        assert taken(storage_target, handles) == {}
    for name in ("static", "made"):
        # Both claims have volumes of their own.
        storage_target.wait_bound(space, name)
        assert storage_target.handle(space, name) not in handles
    named = replayer.report(f"pv/{space}-static")
    assert planned(named, f"{space}-static")["action"] == "skip"
    # All that replays have made goes again, and its volumes with it.
    own = {storage_target.handle(space, name) for name in ("static", "made")}
    storage_target.plane.kubectl("delete", "pvc", "--all", "-n", space)
    storage.plane.wait(lambda: not own & storage.driver.state.volumes.keys(), "The end of the copy")
    assert handles <= storage.driver.state.volumes.keys()


def test_an_adopted_volume_outlives_its_claim(
    replayer: Replayer, storage: Storage, storage_target: Storage, space: str
) -> None:
    static = create_static(storage, space, "static")
    storage.create_claim(space, "made", files={"b": b"bytes"})
    made = storage.volume(space, "made")
    made_file = f"cluster/PersistentVolume/{made['metadata']['name']}.yaml"
    replayer.tool.export("-n", space)
    commit_file(replayer.tool, made_file, yaml.safe_dump(as_it_was(made)))

    report = replayer.report("-n", space, "--adopt-volumes", codes=(3,))
    refused = planned(report, made["metadata"]["name"])
    assert refused["action"] == "blocked"
    assert "Only static PersistentVolumes can be adopted" in refused["reason"]
    handles = {static, storage.handle(space, "made")}
    assert taken(storage_target, handles).keys() == {f"{space}-static"}
    storage_target.wait_bound(space, "static")
    adopted = storage_target.volume(space, "static")
    assert adopted["spec"]["csi"]["volumeHandle"] == static
    assert adopted["spec"]["persistentVolumeReclaimPolicy"] == "Retain"

    # Nor does a further replay bring back the policy of the commit, which deletes.
    again = replayer.report("-n", space, "--adopt-volumes", codes=(3,))
    assert planned(again, f"{space}-static")["action"] == "unchanged"
    assert "Retain and stays so" in planned(again, f"{space}-static")["warnings"][0]

    storage_target.plane.kubectl("delete", "pvc", "--all", "-n", space)
    path = f"{VOLUMES}/{space}-static"
    storage_target.plane.wait(
        lambda: storage_target.get(path)["status"]["phase"] == "Released", "The release"
    )
    # The provisioner has seen it: a volume that was made after it has been deleted by now.
    storage_target.create_claim(space, "later")
    later = storage_target.handle(space, "later")
    storage_target.plane.kubectl("delete", "pvc/later", "-n", space)
    storage.plane.wait(lambda: later not in storage.driver.state.volumes, "The later deletion")
    assert handles <= storage.driver.state.volumes.keys()
    assert storage.claim(space, "static")["status"]["phase"] == "Bound"
    assert (storage.folder(space, "static") / "static").read_bytes() == b"bytes"


def contexts(file: Path, **accounts: tuple[str, ControlPlane]) -> Path:
    """Write a kubeconfig: context -> (server, the cluster whose authority it has)."""
    parts: Object = {"clusters": [], "users": [], "contexts": []}
    for name, (server, plane) in accounts.items():
        authority = base64.b64encode(plane.ca_file.read_bytes()).decode()
        parts["clusters"].append(
            {"name": name, "cluster": {"server": server, "certificate-authority-data": authority}}
        )
        parts["users"].append({"name": name, "user": {"token": plane.token("admin")}})
        parts["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **parts}))
    return file


def test_no_volume_is_adopted_that_another_cluster_uses_or_that_nobody_can_ask(
    replayer: Replayer, storage: Storage, storage_target: Storage, space: str
) -> None:
    static = create_static(storage, space, "static")
    replayer.tool.export("-n", space)
    name, source = f"{space}-static", storage.plane
    nowhere = f"https://127.0.0.1:{choose_ports(1)[0]}"
    kubeconfig = contexts(
        replayer.tool.home / "contexts.yaml",
        target=(storage_target.plane.server, storage_target.plane),
        source=(source.server, source),
        dead=(nowhere, source),
    )

    def replay(*neighbours: str, codes: tuple[int, ...] = (3,)) -> Object:
        flags = [f"--shares-storage-with={context}" for context in neighbours]
        where = ["--kubeconfig", str(kubeconfig), "--context", "target"]
        return replayer.report("-n", space, "--adopt-volumes", *flags, *where, codes=codes)

    for context, reason in {
        "source": f"in use in source: the claim {space}/static is bound to it there",
        "dead": "The volumes of dead are not known, and it may be one of them.",
    }.items():
        refused = planned(replay("target", context), name)
        assert refused["action"] == "blocked"
        assert reason in refused["reason"]
        assert taken(storage_target, {static}) == {}

    # The old cluster gives it up, and the new one may have it.
    source.kubectl("patch", "pv", name, "-p", policy("Retain"))
    source.kubectl("delete", "pvc/static", "-n", space)
    source.wait(lambda: storage.get(f"{VOLUMES}/{name}")["status"]["phase"] == "Released", name)
    replay("source", codes=(0,))
    storage_target.wait_bound(space, "static")
    assert taken(storage_target, {static}).keys() == {name}
    # Asked about itself, a cluster does not stand in its own way.
    assert planned(replay("source", "target", codes=(0,)), name)["action"] == "unchanged"


def test_a_copy_beside_the_original_takes_no_volume_from_it(
    storage: Storage, space: str, tmp_path: Path
) -> None:
    create_static(storage, space, "static")
    replayer, copy = Replayer(storage.plane, storage.plane, tmp_path), f"{space}-copy"
    replayer.tool.export("-n", space)
    report = replayer.report("-n", space, "--map", f"{space}={copy}", "--adopt-volumes")
    assert planned(report, f"{space}-static")["action"] == "unchanged"
    assert "so its storage class is asked for a new one" in planned(report, "static")["warnings"][0]
    storage.wait_bound(copy, "static")
    assert storage.handle(copy, "static") != storage.handle(space, "static")
    assert storage.claim(space, "static")["status"]["phase"] == "Bound"
