"""The keys and certificates of one control plane: made in memory, written once, valid for a year.

Boundary: elliptic-curve keys only, because they take no time to make.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVER_NAMES = ("localhost", "kubernetes.default.svc", "api.wardle.svc")
FRONT_PROXY = "front-proxy-client"


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def make_authority(name: str) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        start_certificate(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(key_usage(key_cert_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Pair(certificate, key)


def issue(authority: Pair, name: str, *, dns_names: tuple[str, ...] = ()) -> Pair:
    """Issue a certificate: for a server on 127.0.0.1 if it has DNS names, else for a client."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if dns_names else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        start_certificate(name, str(issuer), key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
    )
    if dns_names:
        loopback = x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))
        names = [loopback, *(x509.DNSName(dns_name) for dns_name in dns_names)]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Pair(builder.sign(authority.key, hashes.SHA256()), key)


def start_certificate(
    name: str, issuer: str, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def key_usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        encipher_only=False,
        decipher_only=False,
    )


def write_all(folder: Path) -> None:
    """Write ca, server, front-proxy-ca and front-proxy as .crt and .key, and the sa key pair."""
    folder.mkdir(parents=True)
    authority = make_authority("kube2git test authority")
    front_authority = make_authority("kube2git test front proxy authority")
    write_pair(folder, "ca", authority)
    write_pair(folder, "server", issue(authority, "kube-apiserver", dns_names=SERVER_NAMES))
    write_pair(folder, "front-proxy-ca", front_authority)
    write_pair(folder, "front-proxy", issue(front_authority, FRONT_PROXY))
    service_accounts = ec.generate_private_key(ec.SECP256R1())
    write_key(folder / "sa.key", service_accounts)
    (folder / "sa.pub").write_bytes(
        service_accounts.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def write_pair(folder: Path, name: str, pair: Pair) -> None:
    certificate = pair.certificate.public_bytes(serialization.Encoding.PEM)
    (folder / f"{name}.crt").write_bytes(certificate)
    write_key(folder / f"{name}.key", pair.key)


def write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
