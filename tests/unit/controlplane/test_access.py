"""Certificates that verify, tokens that only their file knows, kubeconfigs that stand alone."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from pathlib import Path

import pytest
import yaml

from tests.controlplane import access, certificates, ports


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys") / "certificates"
    certificates.write_all(folder)
    return folder


@pytest.mark.parametrize("name", ["127.0.0.1", *certificates.SERVER_NAMES])
def test_the_server_is_trusted_under_each_of_its_names(keys: Path, name: str) -> None:
    trusted = ssl.create_default_context(cafile=keys / "ca.crt")
    trusted.verify_flags |= ssl.VERIFY_X509_STRICT
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(keys / "server.crt", keys / "server.key")
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def serve() -> None:
            with serving.wrap_socket(theirs, server_side=True):
                pass

        server = threading.Thread(target=serve)
        server.start()
        with trusted.wrap_socket(ours, server_hostname=name) as client:
            assert client.version() == "TLSv1.3"
            client.recv(1)
        server.join()


def test_private_keys_are_for_their_owner_only(keys: Path) -> None:
    private = sorted(keys.glob("*.key"))
    names = ["ca.key", "front-proxy-ca.key", "front-proxy.key", "sa.key", "server.key"]
    assert [path.name for path in private] == names
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}


def test_only_admin_has_a_group(tmp_path: Path) -> None:
    tokens = access.make_tokens(["reader"])
    access.write_tokens(tmp_path / "tokens.csv", tokens)
    assert (tmp_path / "tokens.csv").read_text().splitlines() == [
        f"{tokens['admin']},admin,admin-uid,system:masters",
        f"{tokens['reader']},reader,reader-uid",
    ]
    assert tokens["admin"] != tokens["reader"]
    assert access.make_tokens(["reader"]) != tokens


def test_a_kubeconfig_stands_on_its_own_whatever_the_names(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("authority")
    path = access.write_kubeconfig(
        tmp_path / "kubeconfig.yaml",
        server="https://127.0.0.1:1",
        ca_file=tmp_path / "ca.crt",
        token="t",
        user="no",
        cluster="1e3",
    )
    assert path.stat().st_mode & 0o777 == 0o600
    config = yaml.safe_load(path.read_text())
    assert config["current-context"] == config["contexts"][0]["name"] == "1e3"
    assert config["contexts"][0]["context"] == {"cluster": "1e3", "user": "no"}
    assert config["clusters"][0]["name"] == "1e3"
    authority = config["clusters"][0]["cluster"]["certificate-authority-data"]
    assert base64.b64decode(authority) == b"authority"
    assert config["users"] == [{"name": "no", "user": {"token": "t"}}]


def test_ports_are_free_distinct_and_not_used_by_clients() -> None:
    chosen = ports.choose_ports(50)
    assert len(set(chosen)) == 50
    assert all(20000 <= port < 30000 for port in chosen)
    assert not any(ports.answers(port) for port in chosen)
