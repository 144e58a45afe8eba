"""Which claims, by whom, and which together."""

from __future__ import annotations

import pytest

from kube2git.core.selection import LabelSelector, Patterns, Selection
from kube2git.core.snapshots import ClaimRef, Volume
from kube2git.core.snapshots.choosing import (
    ANNOTATION,
    Chosen,
    ClaimSelection,
    ClassRule,
    NobodyError,
    UnansweredError,
    bundle,
    choose,
    cut_requests,
)
from kube2git.errors import SnapshotterError
from tests.fakes.snapshotter import FakeSnapshotter, FakeStorage
from tests.unit.core.snapshots.objects import claim, pod


def volume(name: str, driver: str = "fake.example.com", **labels: str) -> Volume:
    return Volume(ClaimRef("shop", name), "", f"pv-{name}", driver, f"vol-{name}", labels=labels)


SELECTION = ClaimSelection(
    Patterns(("shop", "pay-*", "!pay-test")),
    LabelSelector.parse("tier=db"),
    Patterns(("fast", "io-*")),
    Selection(Patterns(("!secret",))),
)


@pytest.mark.parametrize(
    ("namespace", "storage_class", "tier", "word", "expected"),
    [
        ("shop", "fast", "db", "", True),
        ("pay-1", "io-2", "db", "", True),
        ("pay-test", "fast", "db", "", False),
        ("shop", "slow", "db", "", False),
        ("shop", "fast", "web", "", False),
        ("shop", "fast", "db", "false", False),
        ("other", "slow", "web", "true", True),
        ("secret", "fast", "db", "true", False),
    ],
)
def test_selection(
    namespace: str, storage_class: str, tier: str, word: str, expected: bool
) -> None:
    body = claim(
        "data",
        namespace,
        storage_class=storage_class,
        labels={"tier": tier},
        annotations={ANNOTATION: word} if word else {},
    )
    assert SELECTION.wants(body) is expected
    assert ClaimSelection().wants(body) is (word != "false")


class TestWho:
    first = FakeSnapshotter(FakeStorage(driver="one.example.com"), "one")
    second = FakeSnapshotter(FakeStorage(), "two")
    third = FakeSnapshotter(FakeStorage(), "three")

    @property
    def all(self) -> dict[str, FakeSnapshotter]:
        return {one.method: one for one in (self.first, self.second, self.third)}

    def test_the_first_that_can(self) -> None:
        assert choose(volume("a"), self.all).method == "two"

    def test_the_configured_one(self) -> None:
        chosen = choose(volume("a"), self.all, ClassRule("three", "retain"))
        assert (chosen.method, chosen.snapshot_class) == ("three", "retain")
        assert choose(volume("a"), self.all, ClassRule("", "retain")).method == "two"

    def test_a_configured_one_that_cannot_is_no_reason_to_take_another(self) -> None:
        with pytest.raises(NobodyError, match=r"fake\.example\.com are not in memory"):
            choose(volume("a"), self.all, ClassRule("one"))

    def test_a_configured_one_that_is_not_installed(self) -> None:
        with pytest.raises(NobodyError, match=r"names the snapshotter zfs .* one, two, three"):
            choose(volume("a"), self.all, ClassRule("zfs"))

    def test_nobody_tells_the_reasons_of_all(self) -> None:
        with pytest.raises(NobodyError) as caught:
            choose(volume("a", "nfs.example.com"), self.all)
        assert str(caught.value).count("nfs.example.com are not in memory.") == 3
        with pytest.raises(NobodyError, match="No snapshotter is installed"):
            choose(volume("a"), {})

    def test_one_that_cannot_be_asked_does_not_stop_the_next(self) -> None:
        class Unreachable(FakeSnapshotter):
            def why_not(self, volume: Volume) -> str:
                raise SnapshotterError(f"no credentials for {volume.driver}")

        broken = Unreachable(FakeStorage(), "broken")
        assert choose(volume("a"), {"broken": broken, **self.all}).method == "two"
        with pytest.raises(UnansweredError, match="no credentials for fake"):
            choose(volume("a"), {"broken": broken})


def names(bundles: list[tuple[Chosen, ...]]) -> list[str]:
    return ["".join(one.volume.claim.name for one in members) for members in bundles]


def test_volumes_of_one_pod_and_of_one_label_belong_together() -> None:
    chosen = [Chosen(volume(name), "two") for name in "dcba"]
    assert names(bundle(chosen, [])) == ["a", "b", "c", "d"]
    assert names(bundle(chosen, [pod("p", "d", "a", "unknown")])) == ["ad", "b", "c"]
    chain = [pod("p", "a", "b"), pod("q", "b", "c"), pod("r", "d")]
    assert names(bundle(chosen, chain)) == ["abc", "d"]
    ended = [pod("p", "a", "b", phase="Succeeded"), pod("q", "a", "b", namespace="other")]
    assert names(bundle(chosen, ended)) == ["a", "b", "c", "d"]
    labelled = [Chosen(volume(name, group=value), "two") for name, value in zip("abc", "xyx")]  # noqa: B905
    assert names(bundle(labelled, [], "group")) == ["ac", "b"]
    assert names(bundle(labelled, [], "")) == ["a", "b", "c"]


def test_an_ephemeral_volume_is_the_claim_that_is_named_after_its_pod() -> None:
    owner = pod("p", "a")
    owner["spec"]["volumes"].append({"name": "cache", "ephemeral": {}})
    chosen = [Chosen(volume(name), "two") for name in ("a", "p-cache")]
    assert names(bundle(chosen, [owner])) == ["ap-cache"]


def test_one_cut_where_it_can_be_had() -> None:
    able = FakeSnapshotter(FakeStorage(), "able")
    unable = FakeSnapshotter(FakeStorage(can_group=False), "unable")
    members = [
        Chosen(volume("a"), "able"),
        Chosen(volume("b"), "unable"),
        Chosen(volume("c"), "able"),
        Chosen(volume("d"), "unable"),
        Chosen(volume("e"), "able", "other"),
    ]
    found = cut_requests(members, {"able": able, "unable": unable}, "run-1", "uid")
    told = {
        method: [
            ("".join(one.claim.name for one in request.volumes), request.snapshot_class)
            for request in requests
        ]
        for method, requests in found.items()
    }
    assert told == {"able": [("ac", ""), ("e", "other")], "unable": [("b", ""), ("d", "")]}
