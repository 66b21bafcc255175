#!/usr/bin/env python3
"""The balancer's end of the report protocol: prints each report as a line of JSON, and acks those that it accepts."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time
from dataclasses import dataclass, field, replace
from uuid import UUID

from weir_report import (
    Ack,
    Command,
    CommandKind,
    Header,
    Key,
    Reason,
    ReceivedReport,
    Rejected,
    Report,
    Status,
    open_report,
    parse_key,
    seal_body,
    to_json,
)

SKEW = 60_000  # milliseconds


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Sender:
    """One boot salt of an edge."""

    salt: bytes
    counter: int
    report: Report
    last_seen: float
    confirmed: bool = False

    def silent(self) -> bool:
        """Whether another sender may take over at once."""
        late = time.monotonic() - self.last_seen > 1.25 * self.report.interval / 1000
        return self.report.status is Status.STOPPING or late


@dataclass
class Balancer:
    key: Key
    name: str | None = None
    command: Command | None = None
    salt: bytes = field(default_factory=lambda: os.urandom(16))
    counter: int = 0
    senders: dict[UUID, Sender] = field(default_factory=dict)
    command_until: dict[UUID, float] = field(default_factory=dict)
    confirmed_command: set[UUID] = field(default_factory=set)

    def last_counter(self, header: Header) -> int:
        sender = self.senders.get(header.edge_id)
        return sender.counter if sender is not None and sender.salt == header.salt else 0

    def accept(self, datagram: bytes) -> ReceivedReport:
        """Opens a report; raises Rejected if it is not accepted, or not yet."""
        received = open_report(datagram, [self.key], self.last_counter)
        header, report = received.header, received.body
        fresh = abs(report.send_time - now_ms()) <= SKEW
        before = self.senders.get(header.edge_id)
        confirmed = True
        if before is None or not before.confirmed:
            if not fresh:
                raise Rejected(Reason.SKEW)
            confirmed = before is not None and header.salt == before.salt
        elif header.salt != before.salt:
            later = report.boot_time > before.report.boot_time
            if not later and not fresh:
                raise Rejected(Reason.BOOT)
            if not later or not before.silent():
                raise Rejected(Reason.DUPLICATE)
        self.senders[header.edge_id] = Sender(header.salt, header.counter, report, time.monotonic(), confirmed)
        if not confirmed:
            raise Rejected(Reason.UNCONFIRMED)
        if self.command is not None and report.last_command == self.command.id:
            self.confirmed_command.add(header.edge_id)
        return received

    def ack(self, received: ReceivedReport, report_length: int) -> tuple[Ack, bytes] | None:
        """The ack of a report, and its datagram; None if it does not fit."""
        header = received.header
        full = Ack(
            acknowledged_counter=header.counter,
            acknowledged_salt=header.salt,
            name=self.name,
            command=self.command_for(header.edge_id),
        )
        ack = full.fit(report_length)
        if ack is None:
            return None
        self.counter += 1
        return ack, seal_body(received.edge_key, self.salt, self.counter, ack)

    def command_for(self, edge: UUID) -> Command | None:
        """The command, until a report of the edge confirms it. A deadline counts from the first ack."""
        if self.command is None or edge in self.confirmed_command:
            return None
        if self.command.deadline is None:
            return self.command
        now = time.monotonic()
        until = self.command_until.setdefault(edge, now + self.command.deadline / 1000)
        return replace(self.command, deadline=max(0, round((until - now) * 1000)))


def print_line(**values: object) -> None:
    print(json.dumps({name: value for name, value in values.items() if value is not None}), flush=True)


def serve(balancer: Balancer, listener: socket.socket) -> None:
    while True:
        datagram, address = listener.recvfrom(65535)
        source = f"{address[0]}:{address[1]}"
        try:
            received = balancer.accept(datagram)
        except Rejected as error:
            print_line(event="rejected", source=source, reason=error.reason, detail=error.detail or None)
            continue
        header = received.header
        answer = balancer.ack(received, len(datagram))
        print_line(
            event="report",
            source=source,
            edge_id=str(header.edge_id),
            salt=header.salt.hex(),
            counter=header.counter,
            bytes=len(datagram),
            report=to_json(received.body),
            ack=to_json(answer[0]) if answer else None,
        )
        if answer:
            listener.sendto(answer[1], address)


def address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal():
        raise argparse.ArgumentTypeError("not of the form HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def command(text: str) -> Command:
    kind, colon, deadline = text.partition(":")
    if kind not in ("pause", "unpause", "drain") or colon and (kind != "drain" or not deadline.isdecimal()):
        raise argparse.ArgumentTypeError("not pause, unpause, drain or drain:MS")
    return Command(1, CommandKind[kind.upper()], int(deadline) if colon else None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--key", type=parse_key, required=True, metavar="TEXT")
    parser.add_argument("--listen", type=address, default="127.0.0.1:0", metavar="HOST:PORT")
    parser.add_argument("--command", type=command, metavar="pause|unpause|drain[:MS]")
    parser.add_argument("--name")
    arguments = parser.parse_args()
    family = socket.AF_INET6 if ":" in arguments.listen[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as listener:
        listener.bind(arguments.listen)
        host, port = listener.getsockname()[:2]
        print_line(event="listening", host=host, port=port)
        serve(Balancer(arguments.key, arguments.name, arguments.command), listener)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
