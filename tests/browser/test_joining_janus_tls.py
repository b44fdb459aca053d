"""``januss://`` against a real Janus with a certificate of its own making."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench.janus.janus_server import Certificate, JanusRoom, janus_room
from bench.janus.network import CallNetwork, call_network
from bench.janus.room_list import who_is_there
from clients.joining.adapter import JoinError
from clients.joining.janus import JanusAdapter
from clients.joining.target import MONITOR_NAME, join_target
from tests.support.scripted_room import ScriptedRoom

pytest_plugins = ["tests.support.janus_room"]
pytestmark = pytest.mark.browser


def self_signed(folder: Path, address: str) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "janus")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(certificate=folder / "certificate.pem", key=folder / "key.pem")
    made.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return made


@asynccontextmanager
async def secure_room(folder: Path) -> AsyncIterator[tuple[CallNetwork, Certificate, JanusRoom]]:
    with call_network() as network:
        certificate = self_signed(folder, network.far_address)
        async with janus_room(network, folder, certificate=certificate) as room:
            yield network, certificate, room


async def test_a_certificate_that_this_machine_does_not_trust_is_refused(
    call_bench: None, tmp_path: Path
) -> None:
    async with secure_room(tmp_path) as (_, _, room):
        with pytest.raises(JoinError, match="certificate"):
            await JanusAdapter(join_target(room.secure_join_url)).attend(ScriptedRoom(), lambda: None)
        assert await who_is_there(room) == {}


async def test_with_a_certificate_that_it_trusts_the_monitor_is_in_the_room(
    call_bench: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with secure_room(tmp_path) as (_, certificate, room):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
        joined = asyncio.Event()
        attending = asyncio.create_task(
            JanusAdapter(join_target(room.secure_join_url)).attend(ScriptedRoom(), joined.set)
        )
        entering = asyncio.create_task(joined.wait())
        await asyncio.wait({attending, entering}, return_when=asyncio.FIRST_COMPLETED)
        assert joined.is_set()
        assert await who_is_there(room) == {MONITOR_NAME: False}
        attending.cancel()
        await asyncio.gather(attending, return_exceptions=True)
        assert await who_is_there(room) == {}


async def test_a_certificate_for_another_name_is_refused_even_if_trusted(
    call_bench: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with call_network() as network:
        certificate = self_signed(tmp_path, "192.0.2.1")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
        async with janus_room(network, tmp_path, certificate=certificate) as room:
            with pytest.raises(JoinError, match="certificate"):
                await JanusAdapter(join_target(room.secure_join_url)).attend(ScriptedRoom(), lambda: None)
