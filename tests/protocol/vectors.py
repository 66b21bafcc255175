#!/usr/bin/env python3
"""Checks docs/protocol-vectors.json against this implementation, or generates it. README.md describes the format."""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from weir_report import (
    HEADER,
    LONGEST_ACK,
    MAX_ACK_BODY,
    OVERHEAD,
    SIGNATURE_LENGTH,
    Ack,
    BodyError,
    EdgeKey,
    Key,
    KeyTextError,
    Kind,
    Reason,
    ReceivedAck,
    ReceivedReport,
    Rejected,
    Report,
    Secret,
    cbor_encode,
    open_ack,
    open_report,
    parse_key,
    seal,
    session_keys,
    stream_hash,
    stream_of_path,
    to_json,
)

Vector = dict[str, Any]

GUID = UUID("6f1c0d52-8a3e-4b97-9c41-d20e7b35a8f6")
SECRETS = [Secret(bytes(range(32))), Secret(hashlib.sha256(b"another secret").digest())]
SALT = bytes(range(0xA0, 0xB0))
BALANCER_SALT = bytes(range(0x50, 0x60))
BOOT_TIME = 1_790_000_000_000

MINIMAL_REPORT: Vector = {
    "status": "running", "boot_time": BOOT_TIME, "send_time": BOOT_TIME + 4, "interval": 2500,
}
FULL_REPORT: Vector = {
    "status": "draining",
    "reasons": 7,
    "boot_time": BOOT_TIME,
    "send_time": BOOT_TIME + 86_400_000,
    "interval": 100,
    "redirect_address": "edge-1.example.com",
    "endpoints": [
        {"scheme": "rtmp", "host": None, "port": 1935},
        {"scheme": "https", "host": "[2001:db8::1]", "port": 65535},
        {"scheme": "http", "host": "192.0.2.7", "port": 1},
    ],
    "real_server_address": "c0000207",
    "zone": "eu-west 1",
    "tags": ["hd", "canary"],
    "weight": 2.5,
    "load": {
        "connections": 1200,
        "accepted": 18446744073709551615,
        "accepted_estimated": True,
        "incoming_bps": 4294967296,
        "outgoing_bps": 65536,
        "cpu": 0.375,
        "utilisations": {"disk": 0.5, "nics": 1.25},
    },
    "capacity": {"connections": 5000, "outgoing_bps": 10000000000},
    "hottest_streams": [0, 23, 24, 255, 256, 65535, 65536, 4294967295, 9223372036854775808],
    "agent_version": "1.0.0",
    "last_command": 18446744073709551615,
    "drain_deadline": 30000,
}
LOADED_REPORT: Vector = {
    **MINIMAL_REPORT,
    "interval": 3600000,
    "redirect_address": "2001:db8::2",
    "real_server_address": "20010db8000000000000000000000002",
    "weight": 1.5,
    "load": {"connections": 0, "cpu": 1.0},
}
LONGEST_REPORT: Vector = {
    **MINIMAL_REPORT,
    "redirect_address": "a" * 63 + "." + "b" * 63 + "." + "c" * 63 + "." + "d" * 61,
    "tags": ["t" * 64] * 12 + ["t" * 19],
    "agent_version": "1",
}
MINIMAL_ACK: Vector = {"acknowledged_counter": 1, "acknowledged_salt": SALT.hex()}


# Generation


def generate() -> dict[str, Any]:
    edge_key = SECRETS[0].edge_key(GUID)
    return {
        "version": 1,
        "secrets": [
            {"secret": secret.secret.hex(), "text": secret.text(), "key_id": secret.key_id.hex()} for secret in SECRETS
        ],
        "passphrases": [
            {"text": text, "secret": parsed.secret.hex(), "key_id": parsed.key_id.hex()}
            for text in ("passphrase", "a", "Signs:&;~!\"#$%'()*,-.0123")
            if isinstance(parsed := parse_key(text), Secret)
        ],
        "edge_keys": [
            {
                "secret": secret.secret.hex(),
                "edge_id": guid.bytes.hex(),
                "edge_key": secret.edge_key(guid).key.hex(),
                "text": secret.edge_key(guid).text(),
            }
            for secret in SECRETS
            for guid in (GUID, UUID(int=0))
        ],
        "session_keys": [
            {
                "edge_key": edge_key.key.hex(),
                "salt": salt.hex(),
                "kind": kind.name.lower(),
                **{f"{name}_key": key.hex() for name, key in session_keys(edge_key.key, salt, kind)._asdict().items()},
            }
            for kind, salt in ((Kind.REPORT, SALT), (Kind.ACK, BALANCER_SALT), (Kind.REPORT, bytes(16)))
        ],
        "invalid_keys": [
            {"name": name, "text": text}
            for name, text in (
                ("empty", ""),
                ("base64 without its padding", SECRETS[0].text().rstrip("=")),
                ("base64 of 33 bytes", "A" * 44),
                ("URL-safe base64", "-" * 43 + "="),
                ("too long for a passphrase", "x" * 41),
                ("too short for a secret", "c2VjcmV0cw=="),
                ("a passphrase with a plus sign", "one+two"),
                ("a passphrase with a slash", "one/two"),
                ("a passphrase with a space", "open sesame"),
                ("a passphrase with a control character", "one\ttwo"),
                ("a passphrase that is not ASCII", "schl\u00fcssel"),
                ("an edge key that is cut off", edge_key.text()[:-8]),
                ("an edge key with a short key id", edge_key.text().replace(f":{edge_key.key_id.hex()}:", ":0a0b:")),
            )
        ],
        "reports": [
            report("minimal", 1, MINIMAL_REPORT),
            report("full", 0x0102030405060708, FULL_REPORT),
            report("IPv6, longest interval", 2**64 - 1, LOADED_REPORT, SECRETS[1]),
            report("1200 bytes", 2**32, LONGEST_REPORT),
            report("stopping", 77, {**MINIMAL_REPORT, "status": "stopping", "reasons": 8}),
        ],
        "padded_reports": list(padded_reports()),
        "acks": [
            ack("minimal", 1, MINIMAL_ACK),
            ack("name", 2, {**MINIMAL_ACK, "acknowledged_counter": 300, "name": "balancer-1"}),
            ack("pause", 3, {**MINIMAL_ACK, "name": "balancer-1", "command": {"id": 1, "kind": "pause"}}),
            ack("unpause", 4, {**MINIMAL_ACK, "command": {"id": 2**64 - 1, "kind": "unpause"}}),
            ack("drain without a deadline", 5, {**MINIMAL_ACK, "command": {"id": 24, "kind": "drain"}}),
            ack("drain", 2**40, {**MINIMAL_ACK, "name": "b", "command": {"id": 7, "kind": "drain", "deadline": 90000}}),
            ack("the longest", 6, to_json(LONGEST_ACK)),
        ],
        "other_encodings": list(other_encodings()),
        "fitting_acks": list(fitting_acks()),
        "invalid_bodies": list(invalid_bodies()),
        "invalid_datagrams": list(invalid_datagrams()),
        "streams": list(streams()),
    }


def report(name: str, counter: int, body: Vector, secret: Secret = SECRETS[0]) -> Vector:
    return datagram(name, Kind.REPORT, secret, SALT, counter, body, Report.from_json(body).encode())


def padded_reports() -> Iterator[Vector]:
    """Reports as agents send them. The length of the zone determines how much padding a body needs."""
    yield padded_report("minimal", 1, MINIMAL_REPORT)
    shortest = len(Report.from_json({**MINIMAL_REPORT, "zone": "z" * 24, "agent_version": "v" * 24}).encode()) - 24
    for missing in (28, 27, 26, 25, 24, 3, 2, 1, 0, -1):
        zone = "z" * (MAX_ACK_BODY - missing - shortest)
        body = {**MINIMAL_REPORT, "zone": zone, "agent_version": "v" * 24}
        assert len(Report.from_json(body).encode()) == MAX_ACK_BODY - missing
        yield padded_report(f"{MAX_ACK_BODY - missing} bytes without padding", 9, body)
    yield padded_report("stopping", 77, {**MINIMAL_REPORT, "status": "stopping", "reasons": 8})
    yield padded_report("full", 3, FULL_REPORT)


def padded_report(name: str, counter: int, body: Vector) -> Vector:
    return datagram(name, Kind.REPORT, SECRETS[0], SALT, counter, body, Report.from_json(body).padded())


def ack(name: str, counter: int, body: Vector) -> Vector:
    return datagram(name, Kind.ACK, SECRETS[0], BALANCER_SALT, counter, body, Ack.from_json(body).encode())


def datagram(name: str, kind: Kind, secret: Secret, salt: bytes, counter: int, body: Vector, cbor: bytes) -> Vector:
    return {
        "name": name,
        "secret": secret.secret.hex(),
        "edge_id": GUID.bytes.hex(),
        "salt": salt.hex(),
        "counter": counter,
        "body": body,
        "cbor": cbor.hex(),
        "datagram": seal(kind, secret.edge_key(GUID), salt, counter, cbor).hex(),
    }


def entries(*pairs: tuple[Any, bytes]) -> bytes:
    """A map of these pairs in this order; the values are encoded already."""
    return bytes([0xA0 + len(pairs)]) + b"".join(cbor_encode(key) + value for key, value in pairs)


REQUIRED = [
    (0, cbor_encode(0)),
    (2, cbor_encode(BOOT_TIME)),
    (3, cbor_encode(BOOT_TIME + 4)),
    (4, cbor_encode(2500)),
]
ACK_REQUIRED = [(0, cbor_encode(1)), (1, cbor_encode(SALT))]


def with_field(key: int, value: bytes) -> bytes:
    """The minimal report with this field, which replaces one of the same key."""
    return entries(*[pair for pair in REQUIRED if pair[0] != key], (key, value))


def with_ack_field(key: int, value: bytes) -> bytes:
    return entries(*[pair for pair in ACK_REQUIRED if pair[0] != key], (key, value))


def other_encodings() -> Iterator[Vector]:
    """Bodies that are valid, although a deterministic encoder writes them differently."""
    unknown = cbor_encode({1: [None, "x", b"\0", -5, False], 2: {3: 4}})
    cases: tuple[tuple[str, bytes, Vector], ...] = (
        ("keys in another order", entries(*reversed(REQUIRED)), {}),
        ("an integer longer than necessary", with_field(4, bytes.fromhex("1b00000000000009c4")), {}),
        ("a key longer than necessary", b"\xa4\x18\x00" + entries(*REQUIRED)[2:], {}),
        ("a length longer than necessary", b"\xb9\x00\x04" + entries(*REQUIRED)[1:], {}),
        ("weight of 16 bits", with_field(10, bytes.fromhex("f93e00")), {"weight": 1.5}),
        ("weight of 64 bits", with_field(10, bytes.fromhex("fb3ff8000000000000")), {"weight": 1.5}),
        ("weight as an integer", with_field(10, b"\x03"), {"weight": 3.0}),
        ("unknown keys", entries(*REQUIRED, (64, unknown), (2**64 - 1, b"\xf6")), {}),
        ("an unknown key twice", entries(*REQUIRED, (200, b"\x01"), (200, b"\x02")), {}),
        ("an unknown key with a tag and a simple value", entries(*REQUIRED, (99, bytes.fromhex("c181f0"))), {}),
        (
            "an unknown key in the load",
            with_field(11, entries((0, b"\x05"), (64, b"\x80"))),
            {"load": {"connections": 5}},
        ),
        ("padding of no bytes", entries(*REQUIRED, (17, b"\x40")), {}),
        ("padding before other keys, of any bytes", entries((17, cbor_encode(bytes(range(30)))), *REQUIRED), {}),
        (
            "an endpoint with a further element",
            with_field(6, b"\x81" + cbor_encode(["rtmp", None, 1935, {0: "x"}])),
            {"endpoints": [{"scheme": "rtmp", "host": None, "port": 1935}]},
        ),
    )
    for name, cbor, more in cases:
        yield {"name": name, "kind": "report", "cbor": cbor.hex(), "body": {**MINIMAL_REPORT, **more}}
    ack_cases: tuple[tuple[str, bytes, Vector], ...] = (
        ("an ack with unknown keys", entries(*ACK_REQUIRED, (64, unknown)), {}),
        (
            "a drain with a further element",
            with_ack_field(3, cbor_encode([9, 3, 1000, "x"])),
            {"command": {"id": 9, "kind": "drain", "deadline": 1000}},
        ),
    )
    for name, cbor, more in ack_cases:
        yield {"name": name, "kind": "ack", "cbor": cbor.hex(), "body": {**MINIMAL_ACK, **more}}


def fitting_acks() -> Iterator[Vector]:
    full = {**MINIMAL_ACK, "name": "balancer-1", "command": {"id": 2**64 - 1, "kind": "drain", "deadline": 90000}}
    complete = Ack.from_json(full)
    unnamed = Ack.from_json({name: value for name, value in full.items() if name != "name"})
    lengths = [OVERHEAD + len(ack.encode()) for ack in (complete, unnamed)]
    for name, length in (
        ("as long as the report", lengths[0]),
        ("one byte too long: without its name", lengths[0] - 1),
        ("as long as the report without its name", lengths[1]),
        ("too long without its name: without the command, too", lengths[1] - 1),
    ):
        fitting = complete.fit(length)
        assert fitting is not None
        yield {"name": name, "body": full, "report_length": length, "fitting": to_json(fitting)}
    longest = {**to_json(LONGEST_ACK), "acknowledged_counter": 1000}
    padded = OVERHEAD + len(Report.from_json(MINIMAL_REPORT).padded())
    assert Ack.from_json(longest).fit(padded) == Ack.from_json(longest)
    yield {"name": "all of it, after a padded report", "body": longest, "report_length": padded, "fitting": longest}


def invalid_bodies() -> Iterator[Vector]:
    minimal = entries(*REQUIRED)
    cases = (
        ("an empty map", entries()),
        ("an array", b"\x80"),
        ("an integer", b"\x00"),
        ("a byte after the map", minimal + b"\x00"),
        ("cut off", minimal[:-1]),
        ("a map of indefinite length", b"\xbf" + minimal[1:] + b"\xff"),
        ("an array of indefinite length", with_field(9, bytes.fromhex("9f626864ff"))),
        ("more entries than there are bytes", b"\xbb" + b"\xff" * 8 + minimal[1:]),
        ("a text longer than the body", with_field(8, bytes.fromhex("7bffffffffffffffff61"))),
        ("a key that is a text", entries(*REQUIRED, ("zone", cbor_encode("x")))),
        ("a key that is negative", entries(*REQUIRED, (-1, b"\x00"))),
        ("a known key twice", entries(*REQUIRED, (8, cbor_encode("x")), (8, cbor_encode("x")))),
        ("a known key twice, in two encodings", b"\xa5\x18\x00\x00" + minimal[1:]),
        ("a known key twice, in the load", with_field(11, entries((0, b"\x01"), (0, b"\x01")))),
        ("without a status", entries(*REQUIRED[1:])),
        ("without a boot time", entries(REQUIRED[0], *REQUIRED[2:])),
        ("without a send time", entries(*REQUIRED[:2], REQUIRED[3])),
        ("without an interval", entries(*REQUIRED[:3])),
        ("status 4", with_field(0, b"\x04")),
        ("a status that is a float", with_field(0, b"\xfa\x00\x00\x00\x00")),
        ("a status that is a boolean", with_field(0, b"\xf4")),
        ("reasons below zero", with_field(1, b"\x20")),
        ("reasons 256", with_field(1, cbor_encode(256))),
        ("a boot time that is a float", with_field(2, cbor_encode(1.0))),
        ("interval 99", with_field(4, cbor_encode(99))),
        ("interval 3600001", with_field(4, cbor_encode(3_600_001))),
        ("a redirect address of 254 bytes", with_field(5, cbor_encode("a" * 60 + ".a" * 97))),
        ("an empty redirect address", with_field(5, cbor_encode(""))),
        ("a redirect address with a space", with_field(5, cbor_encode("edge 1"))),
        ("a redirect address with a slash", with_field(5, cbor_encode("edge/1"))),
        ("a redirect address that begins with a hyphen", with_field(5, cbor_encode("-edge"))),
        ("a redirect address that is null", with_field(5, b"\xf6")),
        ("17 endpoints", with_field(6, cbor_encode([["rtmp", None, 1935]] * 17))),
        ("an endpoint of two elements", with_field(6, cbor_encode([["rtmp", None]]))),
        ("port 0", with_field(6, cbor_encode([["rtmp", None, 0]]))),
        ("port 65536", with_field(6, cbor_encode([["rtmp", None, 65536]]))),
        ("a scheme in upper case", with_field(6, cbor_encode([["RTMP", None, 1935]]))),
        ("a scheme that begins with a digit", with_field(6, cbor_encode([["1rtmp", None, 1935]]))),
        ("a scheme with a slash", with_field(6, cbor_encode([["rt/mp", None, 1935]]))),
        ("a real-server address of 5 bytes", with_field(7, cbor_encode(bytes(5)))),
        ("a real-server address that is a text", with_field(7, cbor_encode("abcd"))),
        ("an empty zone", with_field(8, cbor_encode(""))),
        ("a zone of 65 characters", with_field(8, cbor_encode("z" * 65))),
        ("a zone with a control character", with_field(8, cbor_encode("a\nb"))),
        ("a zone that is not ASCII", with_field(8, cbor_encode("z\u00fcrich"))),
        ("a zone that is not UTF-8", with_field(8, bytes.fromhex("61ff"))),
        ("17 tags", with_field(9, cbor_encode(["t"] * 17))),
        ("weight 0", with_field(10, cbor_encode(0.0))),
        ("a weight below zero", with_field(10, cbor_encode(-1.0))),
        ("a weight that is infinite", with_field(10, bytes.fromhex("f97c00"))),
        ("a weight that is not a number", with_field(10, bytes.fromhex("f97e00"))),
        ("a weight beyond 32 bits", with_field(10, bytes.fromhex("fb48078287f49c4a1d"))),
        ("a weight with a tag", with_field(10, b"\xc1" + cbor_encode(1.5))),
        ("a load that is an array", with_field(11, b"\x80")),
        ("connections below zero", with_field(11, entries((0, b"\x20")))),
        ("an estimate that is an integer", with_field(11, entries((2, b"\x01")))),
        ("CPU above 1", with_field(11, entries((5, cbor_encode(1.5))))),
        ("CPU below zero", with_field(11, entries((5, cbor_encode(-0.5))))),
        ("9 utilisations", with_field(11, entries((6, cbor_encode({f"u{i}": 0.5 for i in range(9)}))))),
        ("a utilisation that is a text", with_field(11, entries((6, cbor_encode({"disk": "full"}))))),
        ("33 hottest streams", with_field(13, cbor_encode([0] * 33))),
        ("a hottest stream below zero", with_field(13, cbor_encode([-1]))),
        ("a last command that is a text", with_field(15, cbor_encode("1"))),
        ("a drain deadline below zero", with_field(16, b"\x20")),
        ("padding that is a text", with_field(17, cbor_encode("x"))),
        ("padding twice", entries(*REQUIRED, (17, b"\x40"), (17, b"\x40"))),
        ("padding beyond the body", with_field(17, bytes.fromhex("5820") + bytes(31))),
    )
    ack_cases = (
        ("an empty ack", entries()),
        ("an ack without a counter", entries(ACK_REQUIRED[1])),
        ("an ack without a salt", entries(ACK_REQUIRED[0])),
        ("a salt of 15 bytes", with_ack_field(1, cbor_encode(SALT[:15]))),
        ("a name of 65 characters", with_ack_field(2, cbor_encode("n" * 65))),
        ("a command with id 0", with_ack_field(3, cbor_encode([0, 1]))),
        ("a command without a kind", with_ack_field(3, cbor_encode([1]))),
        ("a command that is a map", with_ack_field(3, cbor_encode({0: 1, 1: 1}))),
        ("a drain with a deadline below zero", with_ack_field(3, cbor_encode([1, 3, -1]))),
        ("a byte after the ack", entries(*ACK_REQUIRED) + b"\xf6"),
    )
    for kind, group in ("report", cases), ("ack", ack_cases):
        for name, cbor in group:
            yield {"name": name, "kind": kind, "cbor": cbor.hex()}


def invalid_datagrams() -> Iterator[Vector]:
    """Datagrams with the reason of their rejection. Some fail more than one check, which shows the order."""
    secret, key = SECRETS[0], SECRETS[0].edge_key(GUID)
    body = entries(*REQUIRED)
    good = seal(Kind.REPORT, key, SALT, 5, body)
    foreign = SECRETS[1].edge_key(GUID)

    def changed(offset: int, new: bytes, sign: bool = False) -> bytes:
        result = good[:offset] + new + good[offset + len(new):]
        return signed(result) if sign else result

    def signed(unsigned: bytes) -> bytes:
        sealed = unsigned[:-SIGNATURE_LENGTH]
        return sealed + hmac.digest(session_keys(key.key, SALT, Kind.REPORT).signature, sealed, "sha256")

    flipped = bytes([good[HEADER.size] ^ 1])
    cases: tuple[tuple[str, Reason | None, bytes, int], ...] = (
        ("nothing", Reason.LENGTH, b"", 0),
        ("100 bytes", Reason.LENGTH, seal(Kind.REPORT, key, SALT, 5, b""), 0),
        ("101 bytes", Reason.BODY, seal(Kind.REPORT, key, SALT, 5, b"\xa0"), 0),
        ("1201 bytes", Reason.LENGTH, seal(Kind.REPORT, key, SALT, 5, bytes(1101)), 0),
        ("another magic", Reason.MAGIC, changed(0, b"weir"), 0),
        ("version 2", Reason.VERSION, changed(4, b"\x02", sign=True), 0),
        ("version 0 and another kind", Reason.VERSION, changed(4, b"\x00\x09"), 0),
        ("an ack", Reason.KIND, seal(Kind.ACK, key, BALANCER_SALT, 5, entries(*ACK_REQUIRED)), 0),
        ("kind 3", Reason.KIND, changed(5, b"\x03", sign=True), 0),
        ("another key id", Reason.KEY_ID, changed(8, bytes(4), sign=True), 0),
        ("another secret", Reason.KEY_ID, seal(Kind.REPORT, foreign, SALT, 5, body), 0),
        (
            "another secret under this key id",
            Reason.SIGNATURE,
            seal(Kind.REPORT, EdgeKey(GUID, secret.key_id, foreign.key), SALT, 5, body),
            0,
        ),
        ("another edge id", Reason.SIGNATURE, changed(12, bytes(16)), 0),
        ("another salt", Reason.SIGNATURE, changed(28, bytes(16)), 0),
        ("another counter", Reason.SIGNATURE, changed(51, b"\x06"), 0),
        ("a changed reserved byte", Reason.SIGNATURE, changed(6, b"\x01"), 0),
        ("a changed body", Reason.SIGNATURE, changed(HEADER.size, flipped), 0),
        ("a changed signature", Reason.SIGNATURE, good[:-1] + bytes([good[-1] ^ 0x80]), 0),
        ("the keys of an ack", Reason.SIGNATURE, changed_kind(seal(Kind.ACK, key, SALT, 5, body)), 0),
        ("an old counter and a changed body", Reason.SIGNATURE, changed(HEADER.size, flipped), 9),
        ("the last counter", Reason.COUNTER, good, 5),
        ("an old counter", Reason.COUNTER, good, 6),
        ("counter 0", Reason.COUNTER, seal(Kind.REPORT, key, SALT, 0, body), 0),
        ("a changed body, signed, with an old counter", Reason.COUNTER, changed(HEADER.size, flipped, sign=True), 5),
        ("a changed body, signed", Reason.DECRYPTION, changed(HEADER.size, flipped, sign=True), 4),
        ("a changed counter, signed", Reason.DECRYPTION, changed(51, b"\x06", sign=True), 5),
        ("a changed reserved byte, signed", Reason.DECRYPTION, changed(6, b"\x01", sign=True), 0),
        ("no map", Reason.BODY, seal(Kind.REPORT, key, SALT, 5, b"\x80"), 4),
        ("reserved bytes that are not zero", None, seal(Kind.REPORT, key, SALT, 5, body, reserved=0xFFFF), 4),
    )
    for name, reason, data, last_counter in cases:
        yield {
            "name": name,
            "secret": secret.secret.hex(),
            "last_counter": last_counter,
            "datagram": data.hex(),
            "reason": reason,
        }


def streams() -> Iterator[Vector]:
    """Paths of URLs with the stream that each names."""
    for path in (
        "/live/cam1",
        "live/cam1",
        "//live//cam1/",
        "/live/cam1.m3u8",
        "/live/cam1/index.m3u8",
        "/live/cam1/720p/segment.7.ts",
        "/live/cam1.m3u8?token=/a.b/c",
        "/live/cam1#/a",
        "/live/cam1.",
        "/live/cam.1.m3u8",
        "/live/cam.1/index.m3u8",
        "/live/.m3u8",
        "/live/..m3u8",
        "/live.tv/cam1",
        "/vod/mp4:sample.mp4",
        "/vod/mp4:sample.mp4/playlist.m3u8",
        "/live/cam%2e1%20%2F",
        "/live/Cam 1",
        "/live/z\u00fcrich.ts",
        "",
        "/",
        "*",
        "/live",
        "/live/",
        "/live?/cam1",
        "/live/?cam1",
    ):
        stream = stream_of_path(path)
        yield {"path": path, "stream": stream, "hash": None if stream is None else stream_hash(stream)}


def changed_kind(data: bytes) -> bytes:
    return data[:5] + bytes([Kind.REPORT]) + data[6:]


# Checks: each yields differences


def check_key_text(vector: Vector) -> Iterator[str]:
    key = parse_key(vector["text"])
    if not isinstance(key, Secret):
        yield "the text is not read as a secret"
    else:
        yield from differs("secret", key.secret.hex(), vector["secret"])
        yield from differs("key_id", key.key_id.hex(), vector["key_id"])


def check_secret(vector: Vector) -> Iterator[str]:
    yield from check_key_text(vector)
    yield from differs("text", secret_of(vector).text(), vector["text"])


def check_edge_key(vector: Vector) -> Iterator[str]:
    key = secret_of(vector).edge_key(UUID(vector["edge_id"]))
    yield from differs("edge_key", key.key.hex(), vector["edge_key"])
    yield from differs("text", key.text(), vector["text"])
    yield from differs("the key of the text", parse_key(vector["text"]), key)


def check_session_keys(vector: Vector) -> Iterator[str]:
    kind = Kind[vector["kind"].upper()]
    keys = session_keys(bytes.fromhex(vector["edge_key"]), bytes.fromhex(vector["salt"]), kind)
    yield from differs("encryption_key", keys.encryption.hex(), vector["encryption_key"])
    yield from differs("signature_key", keys.signature.hex(), vector["signature_key"])


def check_invalid_key(vector: Vector) -> Iterator[str]:
    try:
        parse_key(vector["text"])
    except KeyTextError:
        return
    yield "is read as a key"


def check_datagram(vector: Vector, kind: Kind, padded: bool = False) -> Iterator[str]:
    model = Report if kind is Kind.REPORT else Ack
    key, salt, counter = secret_of(vector).edge_key(UUID(vector["edge_id"])), vector["salt"], vector["counter"]
    body = model.from_json(vector["body"])
    data = bytes.fromhex(vector["datagram"])
    encoded = body.padded() if padded and isinstance(body, Report) else body.encode()
    yield from differs("cbor", encoded.hex(), vector["cbor"])
    cbor = bytes.fromhex(vector["cbor"])
    yield from differs("datagram", seal(kind, key, bytes.fromhex(salt), counter, cbor).hex(), vector["datagram"])
    received: ReceivedReport | ReceivedAck
    if isinstance(body, Ack):
        received = open_ack(data, key, body.acknowledged_salt, body.acknowledged_counter, body.acknowledged_counter - 1)
    else:
        received = open_report(data, [secret_of(vector)], lambda _: 0)
    yield from differs("counter", received.header.counter, counter)
    yield from differs("edge_id", received.header.edge_id.hex, vector["edge_id"])
    yield from differs("salt", received.header.salt.hex(), salt)
    yield from differs("body", to_json(received.body), vector["body"])


def check_encoding(vector: Vector) -> Iterator[str]:
    body = model_of(vector).decode(bytes.fromhex(vector["cbor"]))
    yield from differs("body", to_json(body), vector["body"])


def check_fitting(vector: Vector) -> Iterator[str]:
    fitting = Ack.from_json(vector["body"]).fit(vector["report_length"])
    yield from differs("fitting", to_json(fitting), vector["fitting"])


def check_invalid_body(vector: Vector) -> Iterator[str]:
    try:
        model_of(vector).decode(bytes.fromhex(vector["cbor"]))
    except BodyError:
        return
    yield "is read as a body"


def check_invalid_datagram(vector: Vector) -> Iterator[str]:
    reason = None
    keys: list[Key] = [secret_of(vector)]
    try:
        open_report(bytes.fromhex(vector["datagram"]), keys, lambda _: vector["last_counter"])
    except Rejected as error:
        reason = error.reason
    yield from differs("reason", reason, vector["reason"])


def check_stream(vector: Vector) -> Iterator[str]:
    stream = stream_of_path(vector["path"])
    yield from differs("stream", stream, vector["stream"])
    yield from differs("hash", None if stream is None else stream_hash(stream), vector["hash"])


def secret_of(vector: Vector) -> Secret:
    return Secret(bytes.fromhex(vector["secret"]))


def model_of(vector: Vector) -> type[Report] | type[Ack]:
    return {"report": Report, "ack": Ack}[vector["kind"]]


def differs(what: str, got: object, expected: object) -> Iterator[str]:
    if got != expected:
        yield f"{what} is {got}, not {expected}"


CHECKS: dict[str, Callable[[Vector], Iterator[str]]] = {
    "secrets": check_secret,
    "passphrases": check_key_text,
    "edge_keys": check_edge_key,
    "session_keys": check_session_keys,
    "invalid_keys": check_invalid_key,
    "reports": lambda vector: check_datagram(vector, Kind.REPORT),
    "padded_reports": lambda vector: check_datagram(vector, Kind.REPORT, padded=True),
    "acks": lambda vector: check_datagram(vector, Kind.ACK),
    "other_encodings": check_encoding,
    "fitting_acks": check_fitting,
    "invalid_bodies": check_invalid_body,
    "invalid_datagrams": check_invalid_datagram,
    "streams": check_stream,
}


def check(vectors: dict[str, Any]) -> Iterator[str]:
    """Yields one line for each difference."""
    for group in vectors.keys() ^ CHECKS.keys() ^ {"version"}:
        yield f"{group}: missing, or unknown"
    for group, check_one in CHECKS.items():
        for number, vector in enumerate(vectors.get(group, [])):
            name = f"{group}[{number}]" + (f" ({vector['name']})" if "name" in vector else "")
            try:
                for difference in check_one(vector):
                    yield f"{name}: {difference}"
            except (Rejected, ValueError, KeyError, TypeError) as error:
                yield f"{name}: {type(error).__name__}: {error}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--generate", action="store_true", help="write the file instead of checking it")
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    if arguments.generate:
        arguments.file.write_text(json.dumps(generate(), indent=1) + "\n", encoding="ascii")
        return 0
    vectors = json.loads(arguments.file.read_text(encoding="utf-8"))
    differences = list(check(vectors))
    for difference in differences:
        print(difference)
    count = sum(len(vectors.get(group, [])) for group in CHECKS)
    print(f"{count} vectors, {len(differences)} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
