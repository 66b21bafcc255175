"""Unit tests: python3 -m unittest, in this folder."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import unittest
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any
from unittest import mock
from uuid import UUID

import balancer
import vectors
import weir_report
from weir_report import (
    LONGEST_ACK,
    MAX_ACK_BODY,
    MAX_BODY,
    OVERHEAD,
    Ack,
    BodyError,
    Capacity,
    Command,
    CommandKind,
    EdgeKey,
    Endpoint,
    KeyTextError,
    Kind,
    Load,
    Pairs,
    Reason,
    Rejected,
    Report,
    Secret,
    Status,
    cbor_decode,
    cbor_encode,
    open_ack,
    open_report,
    parse_key,
    seal,
    seal_body,
    session_keys,
)

Line = dict[str, Any]

HERE = Path(__file__).parent
VECTORS = HERE.parents[1] / "docs" / "protocol-vectors.json"
SECRET = Secret(bytes(range(1, 33)))
GUID = UUID("01234567-89ab-cdef-0123-456789abcdef")
KEY = SECRET.edge_key(GUID)
SALT = bytes(range(16))
BALANCER_SALT = bytes(range(16, 32))

MINIMAL = Report(status=Status.RUNNING, boot_time=1, send_time=2, interval=2500)
FULL = Report(
    status=Status.DRAINING,
    reasons=15,
    boot_time=1_790_000_000_000,
    send_time=1_790_000_000_001,
    interval=2500,
    redirect_address="edge.example.com",
    endpoints=(Endpoint("rtmp", None, 1935), Endpoint("https", "2001:db8::1", 443)),
    real_server_address=bytes([192, 0, 2, 1]),
    zone="zone 1",
    tags=("a", "b"),
    weight=0.5,
    load=Load(
        connections=1,
        accepted=2**64 - 1,
        accepted_estimated=False,
        incoming_bps=3,
        outgoing_bps=4,
        cpu=0.25,
        utilisations={"disk": 1.5},
    ),
    capacity=Capacity(connections=5, outgoing_bps=6),
    hottest_streams=(0, 2**64 - 1),
    agent_version="1",
    last_command=7,
    drain_deadline=8,
)
ACK = Ack(acknowledged_counter=3, acknowledged_salt=SALT, name="balancer", command=Command(9, CommandKind.DRAIN, 1000))


def flip(datagram: bytes, offset: int) -> bytes:
    changed = bytearray(datagram)
    changed[offset] ^= 1
    return bytes(changed)


def receive(datagram: bytes, last_counter: int = 0) -> Report:
    return open_report(datagram, [SECRET], lambda _: last_counter).body


class TestCase(unittest.TestCase):
    def assert_rejected(self, reason: Reason, call: Callable[[], object]) -> None:
        with self.assertRaises(Rejected) as caught:
            call()
        self.assertEqual(caught.exception.reason, reason)


class Vectors(TestCase):
    def test_file(self) -> None:
        self.assertEqual(list(vectors.check(json.loads(VECTORS.read_text()))), [])

    def test_file_is_what_is_generated(self) -> None:
        self.assertEqual(json.loads(VECTORS.read_text()), vectors.generate())

    def test_differences_are_found(self) -> None:
        unchecked = {"name", "report_length"}
        for group, entries in vectors.generate().items():
            if group in ("version", "invalid_keys", "invalid_bodies", "invalid_datagrams"):
                continue
            for name, value in entries[0].items():
                if name in unchecked or not isinstance(value, str):
                    continue
                changed = {**entries[0], name: value[:-1] + ("1" if value[-1] == "0" else "0")}
                with self.subTest(group=group, name=name):
                    self.assertNotEqual(self.check_one(group, changed), [])
        self.assertNotEqual(self.check_one("invalid_keys", {"text": "a-passphrase"}), [])
        valid = {"kind": "report", "cbor": MINIMAL.encode().hex()}
        self.assertNotEqual(self.check_one("invalid_bodies", valid), [])
        rejected = vectors.generate()["invalid_datagrams"][0]
        self.assertEqual(self.check_one("invalid_datagrams", rejected), [])
        self.assertNotEqual(self.check_one("invalid_datagrams", {**rejected, "reason": "magic"}), [])
        self.assertNotEqual(self.check_one("invalid_datagrams", {**rejected, "reason": None}), [])
        stream = vectors.generate()["streams"][0]
        self.assertNotEqual(self.check_one("streams", {**stream, "hash": stream["hash"] + 1}), [])

    def check_one(self, group: str, vector: vectors.Vector) -> list[str]:
        return list(vectors.check({"version": 1, **dict.fromkeys(vectors.CHECKS, ()), group: [vector]}))


class Keys(TestCase):
    def test_forms(self) -> None:
        self.assertEqual(parse_key(SECRET.text() + "\r\n"), SECRET)
        self.assertEqual(parse_key(KEY.text()), KEY)
        self.assertEqual(parse_key(KEY.text().replace(str(GUID), str(GUID).upper())), KEY)
        self.assertEqual(parse_key("open-sesame"), Secret.from_passphrase("open-sesame"))
        self.assertEqual(parse_key("open-sesame"), parse_key(" open-sesame\r\n"))

    def test_an_edge_key_is_for_one_edge(self) -> None:
        self.assertEqual(KEY.edge_key(GUID), KEY)
        self.assertIsNone(KEY.edge_key(UUID(int=0)))
        datagram = seal_body(SECRET.edge_key(UUID(int=0)), SALT, 1, MINIMAL)
        self.assert_rejected(Reason.KEY_ID, lambda: open_report(datagram, [KEY], lambda _: 0))

    def test_mistakes(self) -> None:
        broken = SECRET.text()[:-1], KEY.text() + "x"
        for text in "", "x" * 41, "a=b", "a/b", "a+b", "A" * 44, "t\u00fcr", "a\nb", *broken:
            with self.subTest(text=text), self.assertRaises(KeyTextError):
                parse_key(text)

    def test_kinds_and_salts_have_their_own_keys(self) -> None:
        keys = {
            key
            for salt in (SALT, BALANCER_SALT)
            for kind in Kind
            for key in session_keys(KEY.key, salt, kind)
        }
        self.assertEqual(len(keys), 8)


class Cbor(TestCase):
    def test_examples_of_rfc_8949(self) -> None:
        for value, encoded in (
            (0, "00"), (23, "17"), (24, "1818"), (100, "1864"), (1000, "1903e8"), (1_000_000, "1a000f4240"),
            (10**12, "1b000000e8d4a51000"), (2**64 - 1, "1bffffffffffffffff"), (-1, "20"), (-1000, "3903e7"),
            (100000.0, "fa47c35000"), (False, "f4"), (True, "f5"), (None, "f6"), (b"\1\2\3\4", "4401020304"),
            ("IETF", "6449455446"), ("\u6c34", "63e6b0b4"), ([1, [2, 3], [4, 5]], "8301820203820405"),
        ):  # fmt: skip
            with self.subTest(value=value):
                self.assertEqual(cbor_encode(value).hex(), encoded)
                self.assertEqual(cbor_decode(bytes.fromhex(encoded)), value)
        self.assertEqual(cbor_encode({3: 4, 1: 2}).hex(), "a201020304")
        self.assertEqual(cbor_decode(bytes.fromhex("a201020304")), Pairs([(1, 2), (3, 4)]))
        for encoded, value in ("f93c00", 1.0), ("f90001", 5.960464477539063e-8), ("fb3ff199999999999a", 1.1):
            self.assertEqual(cbor_decode(bytes.fromhex(encoded)), value)

    def test_malformed(self) -> None:
        for encoded in (
            "", "18", "1c", "5f", "9f", "bf", "ff", "f818", "61ff", "62", "81", "a1", "a100", "0000", "c1",
            "9bffffffffffffffff", "5bffffffffffffffff", "81" * 1100,
        ):  # fmt: skip
            with self.subTest(encoded=encoded), self.assertRaises(BodyError):
                cbor_decode(bytes.fromhex(encoded))


class Reports(TestCase):
    def test_round_trip(self) -> None:
        for report in MINIMAL, FULL:
            self.assertEqual(receive(seal_body(KEY, SALT, 1, report)), report)
            self.assertEqual(Report.from_json(weir_report.to_json(report)), report)

    def test_an_edge_key_seals_as_its_secret(self) -> None:
        key = parse_key(KEY.text())
        assert isinstance(key, EdgeKey)
        self.assertEqual(seal_body(key, SALT, 1, FULL), seal_body(KEY, SALT, 1, FULL))

    def test_several_secrets(self) -> None:
        other = Secret(bytes(32))
        datagram = seal_body(KEY, SALT, 1, FULL)
        self.assertEqual(open_report(datagram, [other, SECRET], lambda _: 0).edge_key, KEY)
        self.assert_rejected(Reason.KEY_ID, lambda: open_report(datagram, [other], lambda _: 0))

    def test_every_bit_is_protected(self) -> None:
        datagram = seal_body(KEY, SALT, 1, MINIMAL)
        for offset in range(len(datagram)):
            with self.subTest(offset=offset), self.assertRaises(Rejected):
                receive(flip(datagram, offset))

    def test_rejections(self) -> None:
        good = seal_body(KEY, SALT, 5, MINIMAL)
        for reason, datagram in (
            (Reason.LENGTH, good[:100]),
            (Reason.LENGTH, good + bytes(1100)),
            (Reason.MAGIC, flip(good, 0)),
            (Reason.VERSION, flip(good, 4)),
            (Reason.KIND, seal_body(KEY, SALT, 5, ACK)),
            (Reason.KEY_ID, flip(good, 8)),
            (Reason.SIGNATURE, flip(good, 12)),
            (Reason.SIGNATURE, flip(good, 60)),
            (Reason.SIGNATURE, flip(good, -1)),
            (Reason.BODY, seal(Kind.REPORT, KEY, SALT, 5, b"\xa0")),
        ):
            self.assert_rejected(reason, partial(receive, datagram))
        self.assert_rejected(Reason.COUNTER, lambda: receive(good, last_counter=5))
        self.assertEqual(receive(good, last_counter=4), MINIMAL)

    def test_nothing_invalid_is_sent(self) -> None:
        with self.assertRaises(BodyError):
            seal_body(KEY, SALT, 1, replace(MINIMAL, interval=99))
        long = replace(MINIMAL, redirect_address="a" * 253, tags=("t" * 64,) * 16)
        with self.assertRaises(BodyError):
            seal_body(KEY, SALT, 1, long)
        self.assertGreater(len(long.encode()), MAX_BODY)

    def test_short_reports_are_padded_for_every_ack(self) -> None:
        self.assertEqual(MAX_ACK_BODY, 117)
        for length in range(1, 65):
            for version in None, "v" * 30, "v" * 60:
                report = replace(MINIMAL, zone="z" * length, agent_version=version)
                datagram = seal_body(KEY, SALT, 1, report)
                self.assertEqual(receive(datagram), report)
                self.assertEqual(LONGEST_ACK.fit(len(datagram)), LONGEST_ACK)
                plain, padded = len(report.encode()), len(datagram) - OVERHEAD
                self.assertIn(padded, {plain} if plain >= MAX_ACK_BODY else {MAX_ACK_BODY, MAX_ACK_BODY + 1})

    def test_hosts(self) -> None:
        hosts = ("a", "EDGE-1.example.com", "192.0.2.1", "::1", "[::1]", "a" * 253)
        for host in hosts:
            report = replace(MINIMAL, redirect_address=host)
            self.assertEqual(receive(seal_body(KEY, SALT, 1, report)), report)
        invalid = "", " ", "-a", "a b", "http://a", "a:80", "[::1]:80", "[a]", "[]", "a" * 254, "fe80::1%eth0", "\u00e4"
        for host in invalid:
            with self.subTest(host=host), self.assertRaises(BodyError):
                replace(MINIMAL, redirect_address=host).encode()


class Acks(TestCase):
    def open(self, datagram: bytes, salt: bytes = SALT, sent: int = 3, acknowledged: int = 2) -> Ack:
        return open_ack(datagram, KEY, salt, sent, acknowledged).body

    def test_round_trip(self) -> None:
        pause = replace(ACK, command=Command(1, CommandKind.PAUSE))
        for ack in ACK, pause, replace(ACK, name=None), replace(ACK, command=None):
            self.assertEqual(self.open(seal_body(KEY, BALANCER_SALT, 1, ack)), ack)
            self.assertEqual(Ack.from_json(weir_report.to_json(ack)), ack)

    def test_rejections(self) -> None:
        good = seal_body(KEY, BALANCER_SALT, 1, ACK)
        other_edge = seal_body(SECRET.edge_key(UUID(int=0)), BALANCER_SALT, 1, ACK)
        for reason, datagram in (
            (Reason.LENGTH, good[:50]),
            (Reason.KIND, seal_body(KEY, BALANCER_SALT, 1, MINIMAL)),
            (Reason.KEY_ID, seal_body(Secret(bytes(32)).edge_key(GUID), BALANCER_SALT, 1, ACK)),
            (Reason.EDGE_ID, other_edge),
            (Reason.SIGNATURE, flip(good, 28)),
            (Reason.BODY, seal(Kind.ACK, KEY, BALANCER_SALT, 1, b"\xa0")),
        ):
            self.assert_rejected(reason, partial(self.open, datagram))
        self.assert_rejected(Reason.ACKNOWLEDGED_SALT, lambda: self.open(good, salt=BALANCER_SALT))
        self.assert_rejected(Reason.ACKNOWLEDGED_COUNTER, lambda: self.open(good, sent=2))
        self.assert_rejected(Reason.ACKNOWLEDGED_COUNTER, lambda: self.open(good, acknowledged=3))

    def test_no_longer_than_the_report(self) -> None:
        bare = replace(ACK, name=None, command=None)
        for ack in ACK, replace(ACK, name=None), bare:
            self.assertEqual(ACK.fit(OVERHEAD + len(ack.encode())), ack)
        self.assertIsNone(ACK.fit(OVERHEAD + len(bare.encode()) - 1))


class Accepting(TestCase):
    """The balancer's checks that depend on earlier reports."""

    def setUp(self) -> None:
        self.balancer = balancer.Balancer(SECRET, command=Command(1, CommandKind.PAUSE))
        self.now = balancer.now_ms()

    def send(self, counter: int, salt: bytes = SALT, sent: int = 0, **changes: Any) -> bool:
        report = replace(MINIMAL, boot_time=self.now, send_time=self.now + sent, redirect_address="edge.example.com")
        datagram = seal_body(KEY, salt, counter, replace(report, **changes))
        received = self.balancer.accept(datagram)
        answer = self.balancer.ack(received, len(datagram))
        assert answer is not None
        ack = open_ack(answer[1], KEY, salt, counter, counter - 1).body
        return ack.command is not None

    def test_confirmation_and_command(self) -> None:
        self.assert_rejected(Reason.UNCONFIRMED, lambda: self.send(1))
        self.assert_rejected(Reason.COUNTER, lambda: self.send(1))
        self.assertTrue(self.send(2))
        self.assertTrue(self.send(3))
        self.assertFalse(self.send(4, last_command=1))
        self.assertFalse(self.send(5))

    def test_skew_matters_at_first_only(self) -> None:
        self.assert_rejected(Reason.SKEW, lambda: self.send(1, sent=-61_000))
        self.assert_rejected(Reason.SKEW, lambda: self.send(1, sent=61_000))
        self.assert_rejected(Reason.UNCONFIRMED, lambda: self.send(1, sent=-59_000))
        self.send(2)
        self.send(3, sent=-3_600_000)

    def test_restart(self) -> None:
        self.assert_rejected(Reason.UNCONFIRMED, lambda: self.send(1))
        self.send(2)
        later = self.now + 1
        self.assert_rejected(Reason.DUPLICATE, lambda: self.send(1, BALANCER_SALT, boot_time=later))
        self.send(3, status=Status.STOPPING)
        self.send(2, BALANCER_SALT, boot_time=later)
        self.assert_rejected(Reason.DUPLICATE, lambda: self.send(4))
        self.assert_rejected(Reason.BOOT, lambda: self.send(4, sent=-61_000))
        now = time.monotonic()
        with mock.patch("time.monotonic", return_value=now + 4):
            self.assert_rejected(Reason.DUPLICATE, lambda: self.send(4))
            self.send(1, bytes(16), boot_time=later + 1)


class Processes(TestCase):
    """The two programs, against each other."""

    def start(self, program: str, *arguments: str) -> tuple[subprocess.Popen[str], IO[str]]:
        process = subprocess.Popen(
            [sys.executable, str(HERE / program), *arguments],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        self.addCleanup(process.wait)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        return process, process.stdout

    def run_both(self, command: str) -> tuple[list[Line], list[Line]]:
        """The lines that agent and balancer print until the command is confirmed and the agent has stopped."""
        _, output = self.start("balancer.py", "--key", SECRET.text(), "--command", command, "--name", "peer")
        port = json.loads(output.readline())["port"]
        agent, agent_output = self.start(
            "agent.py", "--target", f"127.0.0.1:{port}", "--key", KEY.text(), "--guid", str(GUID),
            "--redirect-address", "192.0.2.1", "--connections", "3", "--interval", "100",
        )  # fmt: skip
        reports: list[Line] = []
        while not any(line.get("report", {}).get("last_command") for line in reports):
            reports.append(json.loads(output.readline()))
        if command.startswith("drain:"):
            while reports[-1]["report"]["status"] == "draining":
                reports.append(json.loads(output.readline()))
        agent.terminate()
        events = [json.loads(line) for line in agent_output]
        self.assertEqual(agent.wait(), 0)
        while reports[-1]["report"]["status"] != "stopping":
            reports.append(json.loads(output.readline()))
        return events, reports

    def test_commands(self) -> None:
        for command, statuses in (
            ("pause", ["running", "paused", "stopping"]),
            ("unpause", ["running", "stopping"]),
            ("drain", ["running", "draining", "stopping"]),
            ("drain:300", ["running", "draining", "paused", "stopping"]),
        ):
            with self.subTest(command=command):
                events, lines = self.run_both(command)
                self.assertEqual(lines[0]["reason"], "unconfirmed")
                seen = [line["report"]["status"] for line in lines[1:]]
                self.assertEqual(list(dict.fromkeys(seen)), statuses)
                self.assertEqual([line["counter"] for line in lines[1:]], list(range(2, len(lines) + 1)))
                self.assertEqual(lines[1]["report"]["load"], {"connections": 3})
                executed = [event["kind"] for event in events if event["event"] == "command" and event["executed"]]
                self.assertEqual(executed, [command.partition(":")[0]])
                acks = [event for event in events if event["event"] == "ack"]
                self.assertEqual(acks[0]["counter"], 2)
                self.assertEqual(acks[0]["balancer"], "peer")
                self.assertLess(acks[0]["round_trip_ms"], 1000)


if __name__ == "__main__":
    unittest.main()
