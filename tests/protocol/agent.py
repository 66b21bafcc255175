#!/usr/bin/env python3
"""An agent without an edge: reports to one balancer, executes its commands, and prints each event as a line of JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import time
from collections import deque
from uuid import UUID

from weir_report import (
    OPERATOR,
    SHUTDOWN,
    Command,
    CommandKind,
    EdgeKey,
    Load,
    Rejected,
    Report,
    Status,
    open_ack,
    parse_key,
    seal_body,
)

FIRST_PAUSE = 0.25  # seconds from the first report to the second; also the minimum between two reports
REMEMBERED = 64  # reports whose round trip can be measured


def print_event(event: str, **values: object) -> None:
    values = {name: value for name, value in values.items() if value is not None}
    print(json.dumps({"event": event, **values}), flush=True)


class Agent(asyncio.DatagramProtocol):
    def __init__(self, key: EdgeKey, redirect_address: str, connections: int, interval: int) -> None:
        self.key = key
        self.redirect_address = redirect_address
        self.connections = connections
        self.interval = interval
        self.salt = os.urandom(16)
        self.boot_time = time.time_ns() // 1_000_000
        self.counter = 0
        self.acknowledged = 0
        self.sent_at: deque[tuple[int, float]] = deque(maxlen=REMEMBERED)
        self.reasons = 0
        self.drain = False
        self.drain_until: float | None = None
        self.executed: deque[int] = deque(maxlen=16)
        self.changed = asyncio.Event()
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def error_received(self, error: Exception) -> None:
        print_event("error", error=str(error))

    def datagram_received(self, datagram: bytes, address: object) -> None:
        received = time.monotonic()
        try:
            ack = open_ack(datagram, self.key, self.salt, self.counter, self.acknowledged).body
        except Rejected as error:
            print_event("rejected", reason=error.reason, detail=error.detail or None)
            return
        self.acknowledged = ack.acknowledged_counter
        sent = dict(self.sent_at).get(ack.acknowledged_counter)
        round_trip = None if sent is None else round((received - sent) * 1000, 3)
        print_event("ack", counter=ack.acknowledged_counter, round_trip_ms=round_trip, balancer=ack.name)
        if ack.command is not None:
            self.execute(ack.command)

    def execute(self, command: Command) -> None:
        again = command.id in self.executed
        kind = command.kind.name.lower()
        print_event("command", id=command.id, kind=kind, deadline=command.deadline, executed=not again)
        if again:
            return
        self.executed.append(command.id)
        if command.kind is CommandKind.UNPAUSE:
            self.reasons &= ~OPERATOR
            self.drain, self.drain_until = False, None
        else:
            self.reasons |= OPERATOR
        if command.kind is CommandKind.DRAIN:
            self.drain = True
            self.drain_until = None if command.deadline is None else time.monotonic() + command.deadline / 1000
        self.changed.set()

    def status(self) -> Status:
        if self.reasons & SHUTDOWN:
            return Status.STOPPING
        if self.drain:
            return Status.DRAINING
        return Status.PAUSED if self.reasons else Status.RUNNING

    def report(self) -> None:
        now = time.monotonic()
        if self.drain_until is not None and self.drain_until <= now:
            self.drain, self.drain_until = False, None
        status = self.status()
        deadline = self.drain_until if status is Status.DRAINING else None
        report = Report(
            status=status,
            reasons=self.reasons,
            boot_time=self.boot_time,
            send_time=time.time_ns() // 1_000_000,
            interval=self.interval,
            redirect_address=self.redirect_address,
            load=Load(connections=self.connections),
            agent_version="python",
            last_command=self.executed[-1] if self.executed else None,
            drain_deadline=None if deadline is None else round((deadline - now) * 1000),
        )
        self.counter += 1
        datagram = seal_body(self.key, self.salt, self.counter, report)
        self.sent_at.append((self.counter, time.monotonic()))
        assert self.transport is not None
        self.transport.sendto(datagram)
        print_event("sent", counter=self.counter, status=status.name.lower(), bytes=len(datagram))

    def pause(self) -> float:
        """Seconds to the next report, unless something changes before."""
        if self.counter == 1:
            return FIRST_PAUSE
        seconds = self.interval / 1000
        regular = random.uniform(0, seconds) if self.counter == 2 else seconds * random.uniform(0.98, 1.02)
        until = [] if self.drain_until is None else [max(0.0, self.drain_until - time.monotonic())]
        return min([regular, *until])

    async def run(self, stop: asyncio.Event) -> None:
        """Reports until stop is set, and then once more with the status stopping."""
        stopped = asyncio.create_task(stop.wait())
        while not stop.is_set():
            self.changed.clear()
            self.report()
            changed = asyncio.create_task(self.changed.wait())
            minimum = min(FIRST_PAUSE, self.interval / 1000) * 0.98
            pause = max(self.pause(), minimum)
            await asyncio.wait({stopped}, timeout=minimum)
            await asyncio.wait({stopped, changed}, timeout=pause - minimum, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
        self.reasons |= SHUTDOWN
        self.report()


def address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal():
        raise argparse.ArgumentTypeError("not of the form HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=address, required=True, metavar="HOST:PORT")
    parser.add_argument("--key", type=parse_key, required=True, metavar="TEXT")
    parser.add_argument("--guid", type=UUID, required=True)
    parser.add_argument("--redirect-address", required=True, metavar="HOST")
    parser.add_argument("--connections", type=int, default=0, metavar="N")
    parser.add_argument("--interval", type=int, default=2500, metavar="MS")
    arguments = parser.parse_args()
    key = arguments.key.edge_key(arguments.guid)
    if key is None:
        parser.error("the key belongs to another edge")

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in signal.SIGTERM, signal.SIGINT:
        loop.add_signal_handler(number, stop.set)
    agent = Agent(key, arguments.redirect_address, arguments.connections, arguments.interval)
    transport, _ = await loop.create_datagram_endpoint(lambda: agent, remote_addr=arguments.target)
    try:
        await agent.run(stop)
    finally:
        transport.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
