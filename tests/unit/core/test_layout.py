"""layout: no two objects share a path, on no file system, and what is not ours is left alone."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kube2git.core import layout
from kube2git.core.objects import ObjectRef

_WEIRD = st.text(
    st.sampled_from("aAbB01.-_:%~/\\ é\u0130\u212a😀\x00cCoOnN"), min_size=1, max_size=8
)
_LONG = st.builds(
    lambda fill, count, tail: fill * count + tail,
    st.sampled_from(["a", "A", ".", "ab.", "é", "😀", ":"]),
    st.integers(20, 260),
    st.sampled_from(["", "a", "b", "A", ".", "a."]),
)
_RESERVED = st.builds(
    lambda stem, tail: stem + tail,
    st.sampled_from(["con", "CON", "Aux", "nul", "com1", "lpt9", "com", "prn", "con1"]),
    st.sampled_from(["", ".", ".a", "-a", ".yaml", ".." + "a" * 195, "a"]),
)
names = st.one_of(_WEIRD, _LONG, _RESERVED, st.text(min_size=1, max_size=20))


def variants(name: str) -> st.SearchStrategy[str]:
    """Yield names that are easily confused with a name."""
    segment = layout.segment(name)
    return st.sampled_from(
        [name.swapcase(), name.lower(), name + ".", name[:-1] + "z", segment, segment.lower()]
    ).filter(bool)


@given(
    st.one_of(st.tuples(names, names), names.flatmap(lambda n: st.tuples(st.just(n), variants(n))))
)
@example(("a" * 201, "a" * 200))
@example((":" * 70, ":" * 71))
@example(("con", "%63on"))
def test_two_names_never_share_a_segment_not_even_without_case(pair: tuple[str, str]) -> None:
    one, other = pair
    same_segment = layout.segment(one).casefold() == layout.segment(other).casefold()
    assert same_segment == (one == other)


@given(names)
@example("con." + "a" * 196)
@example("." * 300)
def test_a_segment_can_stand_on_every_file_system(name: str) -> None:
    segment = layout.segment(name)
    assert len(segment) <= layout.MAX_SEGMENT
    assert set(segment) <= set("abcdefghijklmnopqrstuvwxyzABCDEF0123456789._-%~")
    assert not segment.startswith(".")
    assert not segment.endswith(".")
    stem = segment.partition(".")[0].lower()
    assert stem not in {"con", "prn", "aux", "nul"}
    assert not (len(stem) == 4 and stem[:3] in {"com", "lpt"} and stem[3].isdigit())


@pytest.mark.parametrize(
    ("name", "segment"),
    [
        ("web-1.example_x", "web-1.example_x"),
        ("system:node", "system%3Anode"),
        ("Admin", "%41dmin"),
        ("a/b", "a%2Fb"),
        ("..", "%2E%2E"),
        ("a.", "a%2E"),
        (".a", "%2Ea"),
        ("é", "%C3%A9"),
        ("%41", "%2541"),
        ("con", "%63on"),
        ("nul.txt", "%6Eul.txt"),
        ("console", "console"),
        ("com10", "com10"),
        ("a" * 200, "a" * 200),
        ("a" * 201, "a" * 179 + "~a92efd82109373e58f9a"),
    ],
)
def test_the_look_of_a_segment(name: str, segment: str) -> None:
    assert layout.segment(name) == segment


dns_labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
kinds = st.from_regex(r"[A-Z][A-Za-z0-9]{0,12}(-[A-Za-z0-9]{1,4})?", fullmatch=True)
refs = st.builds(
    ObjectRef,
    st.one_of(st.just(""), st.lists(dns_labels, min_size=1, max_size=4).map(".".join)),
    kinds,
    st.one_of(st.just(""), dns_labels, names),
    names,
)


@given(refs)
def test_every_path_is_recognised_as_an_objects_file(ref: ObjectRef) -> None:
    place = layout.place_of(layout.path_of(ref))
    assert place is not None
    assert place.kind_group == ref.kind_group
    assert place.namespace == (layout.segment(ref.namespace) if ref.namespace else "")


@given(refs)
def test_a_path_alone_tells_the_object_unless_a_name_was_cut(ref: ObjectRef) -> None:
    path = layout.path_of(ref)
    presumed = layout.presumed_ref(path)
    assert presumed == ref or "~" in path
    assert presumed.kind_group == ref.kind_group


@given(refs, refs)
def test_two_objects_never_share_a_path(one: ObjectRef, other: ObjectRef) -> None:
    assert (layout.path_of(one) == layout.path_of(other)) == (one == other)


@given(refs, st.sampled_from(["group", "kind", "namespace", "name"]), dns_labels)
def test_every_part_of_the_identity_is_in_the_path(ref: ObjectRef, part: str, text: str) -> None:
    other = ref._replace(**{part: text})
    assert (layout.path_of(ref) == layout.path_of(other)) == (ref == other)


@pytest.mark.parametrize(
    ("ref", "path"),
    [
        (ObjectRef("", "Namespace", "", "shop"), "cluster/Namespace/shop.yaml"),
        (ObjectRef("", "Secret", "shop", "db"), "namespaces/shop/Secret/db.yaml"),
        (
            ObjectRef("networking.k8s.io", "Ingress", "shop", "web"),
            "namespaces/shop/Ingress.networking.k8s.io/web.yaml",
        ),
        (
            ObjectRef("rbac.authorization.k8s.io", "ClusterRole", "", "system:node"),
            "cluster/ClusterRole.rbac.authorization.k8s.io/system%3Anode.yaml",
        ),
    ],
)
def test_the_look_of_a_path(ref: ObjectRef, path: str) -> None:
    assert layout.path_of(ref) == path


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "kustomization.yaml",
        ".github/workflows/ci.yaml",
        ".sops.yaml",
        layout.FORMAT,
        layout.COVERAGE,
        layout.SEALS,
        "namespaces/shop/kustomization.yaml",
        "namespaces/shop/Deployment.apps/README.md",
        "namespaces/shop/Deployment.apps/README.yaml",
        "namespaces/shop/Deployment.apps/web.yml",
        "namespaces/shop/Deployment.apps/web.yaml.orig",
        "namespaces/shop/Deployment.apps/.hidden.yaml",
        "namespaces/shop/Deployment.apps/.yaml",
        "namespaces/shop/Deployment.apps/web~.yaml",
        "namespaces/shop/Deployment.apps/more/web.yaml",
        "namespaces/shop/deployment apps/web.yaml",
        "namespaces/Shop/Deployment.apps/web.yaml",
        "namespaces//Secret/db.yaml",
        "namespaces/../Secret/db.yaml",
        "cluster/Namespace",
        "cluster/shop.yaml",
        "clusters/Namespace/shop.yaml",
        "other/cluster/Namespace/shop.yaml",
        "cluster/Namespace/shop.yaml\n",
        "snapshots/shop/data.yaml",
    ],
)
def test_other_peoples_files_are_not_taken_for_objects(path: str) -> None:
    assert layout.place_of(path) is None
