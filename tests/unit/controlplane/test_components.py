"""Flags follow from options, and from nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from tests.controlplane import binaries, components
from tests.controlplane.components import Component, Layout, Options

LAYOUT = Layout(Path("/plane"))
EVERYTHING = Options(
    scheduler=True, kwok=True, csi=True, aggregated=True, events_etcd=True, compaction_interval="9s"
)


def all_components(options: Options) -> list[Component]:
    names = components.port_names(options)
    ports = {name: number for number, name in enumerate(names, start=20000)}
    return [
        *components.stores(options, LAYOUT, ports),
        components.apiserver(options, LAYOUT, ports),
        *components.clients(options, LAYOUT, ports),
    ]


def test_the_default_is_etcd_the_server_and_the_controllers() -> None:
    assert [component.name for component in all_components(Options())] == list(binaries.DEFAULT)
    assert components.needed_binaries(Options()) == list(binaries.DEFAULT)


def test_what_is_started_is_what_is_built() -> None:
    for options in (Options(), Options(controllers=False), Options(kwok=True), EVERYTHING):
        started = {component.binary for component in all_components(options)}
        sidecars = set(binaries.CSI) if options.csi else set()
        assert started | sidecars == set(components.needed_binaries(options))


def test_no_two_components_share_a_name_or_a_port() -> None:
    found = all_components(EVERYTHING)
    assert len({component.name for component in found}) == len(found)
    assert len({component.port for component in found}) == len(found)


def test_everything_listens_on_loopback_only() -> None:
    for component in all_components(EVERYTHING):
        flags = " ".join(component.flags)
        assert not re.search(r"[=/]0\.0\.0\.0", flags)
        assert "127.0.0.1" in flags


def test_options_become_flags_of_the_server_and_own_flags_come_last() -> None:
    plain = components.apiserver(Options(), LAYOUT, {"etcd": 1, "kube-apiserver": 2})
    special = components.apiserver(
        Options(events_etcd=True, compaction_interval="9s", apiserver_args=("--event-ttl=1m",)),
        LAYOUT,
        {"etcd": 1, "kube-apiserver": 2, "etcd-events": 3},
    )
    assert special.flags[: len(plain.flags)] == plain.flags
    assert special.flags[len(plain.flags) :] == (
        "--etcd-servers-overrides=/events#http://127.0.0.1:3",
        "--etcd-compaction-interval=9s",
        "--event-ttl=1m",
    )
