"""The Weir report protocol, version 1, as specified in docs/protocol.md: keys, CBOR, reports and acks.

Written from that page alone, to show that it is complete. The checks that need the state of a fleet (restarts,
duplicates, confirmation) are in balancer.py.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import math
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = b"WEIR"
VERSION = 1
HEADER = struct.Struct(">4sBBH4s16s16sQ")
TAG_LENGTH = 16
SIGNATURE_LENGTH = 32
OVERHEAD = HEADER.size + TAG_LENGTH + SIGNATURE_LENGTH
MAX_BODY = 1100
U64_MAX = 2**64 - 1
F32_MAX = (2 - 2**-23) * 2**127
MAX_DEPTH = 16


class Kind(IntEnum):
    REPORT = 1
    ACK = 2


class Reason(StrEnum):
    """The reason for which a datagram is rejected. The last three are for acks; they are this implementation's own."""

    LENGTH = "length"
    MAGIC = "magic"
    VERSION = "version"
    KIND = "kind"
    KEY_ID = "key-id"
    SIGNATURE = "signature"
    COUNTER = "counter"
    DECRYPTION = "decryption"
    BODY = "body"
    BOOT = "boot"
    DUPLICATE = "duplicate"
    SKEW = "skew"
    UNCONFIRMED = "unconfirmed"
    EDGE_ID = "edge-id"
    ACKNOWLEDGED_SALT = "acknowledged-salt"
    ACKNOWLEDGED_COUNTER = "acknowledged-counter"


class Rejected(Exception):
    """A datagram is rejected."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


class BodyError(ValueError):
    """A body is not CBOR, or not valid for its kind of datagram."""


class KeyTextError(ValueError):
    """A text is no key."""


# Keys


def _hkdf(salt: bytes | None, key: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(key)


class SessionKeys(NamedTuple):
    encryption: bytes
    signature: bytes


@dataclass(frozen=True)
class EdgeKey:
    """The key of one edge, which cannot impersonate another."""

    guid: UUID
    key_id: bytes
    key: bytes

    def edge_key(self, guid: UUID) -> EdgeKey | None:
        return self if guid == self.guid else None

    def text(self) -> str:
        return f"edge:{self.guid}:{self.key_id.hex()}:{base64.b64encode(self.key).decode()}"


@dataclass(frozen=True)
class Secret:
    """The secret of a cluster, from which the keys of all its edges are derived."""

    secret: bytes

    @classmethod
    def from_passphrase(cls, passphrase: str) -> Self:
        kdf = Argon2id(salt=b"weir/1 passphrase", length=32, iterations=3, lanes=1, memory_cost=65536)
        return cls(kdf.derive(passphrase.encode("ascii")))

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(b"weir/1 key id" + self.secret).digest()[:4]

    def edge_key(self, guid: UUID) -> EdgeKey:
        return EdgeKey(guid, self.key_id, _hkdf(None, self.secret, b"weir/1 edge" + guid.bytes, 32))

    def text(self) -> str:
        return base64.b64encode(self.secret).decode()


Key = Secret | EdgeKey


@lru_cache(maxsize=1024)
def session_keys(edge_key: bytes, salt: bytes, kind: Kind) -> SessionKeys:
    """The two keys of a sender with this boot salt."""
    info = b"weir/1 report" if kind == Kind.REPORT else b"weir/1 ack"
    both = _hkdf(salt, edge_key, info, 64)
    return SessionKeys(both[:32], both[32:])


def _base64_key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise KeyTextError(f"not base64: {error}") from error
    if len(key) != 32 or base64.b64encode(key).decode() != text:
        raise KeyTextError("not the base64 of 32 bytes")
    return key


_EDGE_KEY = re.compile(r"edge:([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}):([0-9A-Fa-f]{8}):(.*)")


def parse_key(line: str) -> Key:
    """Parses a key in any of the three forms. White space around it is ignored."""
    text = line.strip()
    if match := _EDGE_KEY.fullmatch(text):
        return EdgeKey(UUID(match[1]), bytes.fromhex(match[2]), _base64_key(match[3]))
    if len(text) == 44:
        return Secret(_base64_key(text))
    if not 1 <= len(text) <= 40 or text.startswith("edge:") or re.search(r"[=+/]|[^!-~]", text):
        raise KeyTextError(
            "not a key: a secret has 44 characters of base64, an edge key the form edge:GUID:KEYID:BASE64, "
            "a passphrase 1 to 40 visible ASCII characters without = + /"
        )
    return Secret.from_passphrase(text)


# CBOR


class Pairs(list[tuple[Any, Any]]):
    """A decoded map as a list of pairs, so that a duplicate key can be found."""


@dataclass(frozen=True)
class Other:
    """A decoded tag or simple value, which is not valid for any known key."""

    number: int
    value: Any = None


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for info, size in (24, 1), (25, 2), (26, 4), (27, 8):
        if argument < 1 << 8 * size:
            return bytes([major << 5 | info]) + argument.to_bytes(size, "big")
    raise OverflowError("more than 64 bits")


def cbor_encode(value: Any) -> bytes:
    """Encodes deterministically: shortest integers, keys in the order of their encodings, floats of 32 bits."""
    match value:
        case None:
            return b"\xf6"
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case float():
            return b"\xfa" + struct.pack(">f", value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            return _head(3, len(value.encode())) + value.encode()
        case list() | tuple():
            return _head(4, len(value)) + b"".join(map(cbor_encode, value))
        case dict():
            pairs = sorted((cbor_encode(key), cbor_encode(item)) for key, item in value.items())
            return _head(5, len(pairs)) + b"".join(key + item for key, item in pairs)
    raise TypeError(f"no CBOR for {type(value).__name__}")


def cbor_decode(data: bytes) -> Any:
    """Decodes a single data item, in any well-formed encoding with definite lengths."""
    value, rest = _decode_item(memoryview(data), MAX_DEPTH)
    if rest:
        raise BodyError(f"{len(rest)} bytes after the map")
    return value


def _take(data: memoryview, count: int) -> tuple[bytes, memoryview]:
    if len(data) < count:
        raise BodyError("cut off")
    return bytes(data[:count]), data[count:]


def _decode_items(count: int, data: memoryview, depth: int) -> tuple[list[Any], memoryview]:
    items = []
    for _ in range(count):
        item, data = _decode_item(data, depth)
        items.append(item)
    return items, data


def _decode_item(data: memoryview, depth: int) -> tuple[Any, memoryview]:
    if depth == 0:
        raise BodyError("nested too deeply")
    (initial,), data = _take(data, 1)
    major, info = initial >> 5, initial & 31
    if info > 27:
        raise BodyError("an indefinite length" if info == 31 else "a reserved encoding")
    argument, raw = info, b""
    if info >= 24:
        raw, data = _take(data, 1 << info - 24)
        argument = int.from_bytes(raw, "big")
    match major:
        case 0:
            return argument, data
        case 1:
            return -1 - argument, data
        case 2:
            return _take(data, argument)
        case 3:
            text, data = _take(data, argument)
            try:
                return text.decode(), data
            except UnicodeDecodeError as error:
                raise BodyError("a text that is not UTF-8") from error
        case 4:
            return _decode_items(argument, data, depth - 1)
        case 5:
            items, data = _decode_items(2 * argument, data, depth - 1)
            return Pairs(zip(items[::2], items[1::2], strict=True)), data
        case 6:
            value, data = _decode_item(data, depth - 1)
            return Other(argument, value), data
    if info >= 25:
        return struct.unpack({25: ">e", 26: ">f", 27: ">d"}[info], raw)[0], data
    if info == 24 and argument < 32:
        raise BodyError("a malformed simple value")
    return {20: False, 21: True, 22: None}.get(argument, Other(argument)), data


# Ranges of values: each reader returns the value, or raises BodyError

Reader = Callable[[Any], Any]


def _need(condition: bool, what: str) -> None:
    if not condition:
        raise BodyError(f"not {what}")


def _uint(minimum: int = 0, maximum: int = U64_MAX) -> Reader:
    def read(value: Any) -> Any:
        _need(type(value) is int and minimum <= value <= maximum, f"an integer of {minimum} to {maximum}")
        return value
    return read


def _number(maximum: float = F32_MAX, positive: bool = False) -> Reader:
    def read(value: Any) -> float:
        _need(type(value) in (int, float) and math.isfinite(value) and 0 <= value <= maximum, "a number in its range")
        _need(value > 0 or not positive, "a number greater than 0")
        return float(value)
    return read


def _text(value: Any) -> Any:
    _need(isinstance(value, str) and re.fullmatch(r"[ -~]{1,64}", value) is not None, "a text")
    return value


def _scheme(value: Any) -> Any:
    _need(re.fullmatch(r"[a-z][a-z0-9+.-]*", _text(value)) is not None, "a scheme")
    return value


def _host(value: Any) -> Any:
    _need(isinstance(value, str) and len(value) <= 253, "a host")
    if re.fullmatch(r"[0-9A-Za-z_.][0-9A-Za-z_.-]*", value) is None:
        try:
            ipaddress.IPv6Address(value[1:-1] if value.startswith("[") and value.endswith("]") else value)
        except ValueError as error:
            raise BodyError("not a host") from error
        _need("%" not in value, "a host")
    return value


def _flag(value: Any) -> Any:
    _need(isinstance(value, bool), "a boolean")
    return value


def _octets(*lengths: int) -> Reader:
    """Reads a byte string of one of these lengths; of any length if there are none."""
    def read(value: Any) -> Any:
        _need(isinstance(value, bytes) and (not lengths or len(value) in lengths), f"a byte string of {lengths} bytes")
        return value
    return read


def _array(of: Reader, most: int) -> Reader:
    def read(value: Any) -> tuple[Any, ...]:
        _need(isinstance(value, list) and not isinstance(value, Pairs) and len(value) <= most, "an array of its length")
        return tuple(map(of, value))
    return read


def _utilisations(value: Any) -> dict[str, float]:
    _need(isinstance(value, Pairs) and len(value) <= 8, "a map of its size")
    result = {_text(name): _number()(item) for name, item in value}
    _need(len(result) == len(value), "a map with each key once")
    return result


class Field(NamedTuple):
    key: int
    name: str
    read: Reader
    required: bool = False
    ignored: bool = False


class Map:
    """A dataclass that is a CBOR map with the keys of FIELDS.

    None is left out. An ignored field is checked and dropped.
    """

    FIELDS: ClassVar[tuple[Field, ...]]

    @classmethod
    def read(cls, value: Any) -> Self:
        _need(isinstance(value, Pairs), "a map")
        known = {field.key: field for field in cls.FIELDS}
        result: dict[str, Any] = {}
        for key, item in value:
            field = known.get(_uint()(key))
            if field is not None:
                _need(field.name not in result, f"once: {field.name}")
                result[field.name] = field.read(item)
        for field in cls.FIELDS:
            _need(not field.required or field.name in result, f"without {field.name}")
            if field.ignored:
                result.pop(field.name, None)
        return cls(**result)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        return cls.read(cbor_decode(body))

    def wire(self) -> dict[int, Any]:
        values = ((field.key, getattr(self, field.name)) for field in self.FIELDS if not field.ignored)
        return {key: _wire(value) for key, value in values if value is not None}

    def encode(self) -> bytes:
        """The body; raises BodyError if it would be invalid."""
        body = cbor_encode(self.wire())
        self.decode(body)
        return body


def _wire(value: Any) -> Any:
    if isinstance(value, (Map, Endpoint, Command)):
        return value.wire()
    return list(map(_wire, value)) if isinstance(value, (list, tuple)) else value


def to_json(value: Any) -> Any:
    """Converts a value to JSON: names for statuses and commands, hexadecimal for bytes; None is left out."""
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, tuple)):
        return list(map(to_json, value))
    if is_dataclass(value):
        items = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {name: to_json(item) for name, item in items if item is not None or isinstance(value, Endpoint)}
    return value


# Reports


class Status(IntEnum):
    RUNNING = 0
    PAUSED = 1
    DRAINING = 2
    STOPPING = 3


OPERATOR, CAPACITY, HEALTH, SHUTDOWN = 1, 2, 4, 8


@dataclass(frozen=True)
class Endpoint:
    scheme: str
    host: str | None
    port: int

    @classmethod
    def read(cls, value: Any) -> Self:
        _need(isinstance(value, list) and not isinstance(value, Pairs) and len(value) >= 3, "an endpoint")
        scheme, host, port = value[:3]
        return cls(_scheme(scheme), None if host is None else _host(host), _uint(1, 65535)(port))

    def wire(self) -> list[Any]:
        return [self.scheme, self.host, self.port]


@dataclass(frozen=True, kw_only=True)
class Load(Map):
    connections: int | None = None
    accepted: int | None = None
    accepted_estimated: bool | None = None
    incoming_bps: int | None = None
    outgoing_bps: int | None = None
    cpu: float | None = None
    utilisations: Mapping[str, float] | None = None

    FIELDS = (
        Field(0, "connections", _uint()),
        Field(1, "accepted", _uint()),
        Field(2, "accepted_estimated", _flag),
        Field(3, "incoming_bps", _uint()),
        Field(4, "outgoing_bps", _uint()),
        Field(5, "cpu", _number(1)),
        Field(6, "utilisations", _utilisations),
    )


@dataclass(frozen=True, kw_only=True)
class Capacity(Map):
    connections: int | None = None
    outgoing_bps: int | None = None

    FIELDS = (Field(0, "connections", _uint()), Field(1, "outgoing_bps", _uint()))


@dataclass(frozen=True, kw_only=True)
class Report(Map):
    status: Status
    reasons: int | None = None
    boot_time: int
    send_time: int
    interval: int
    redirect_address: str | None = None
    endpoints: tuple[Endpoint, ...] | None = None
    real_server_address: bytes | None = None
    zone: str | None = None
    tags: tuple[str, ...] | None = None
    weight: float | None = None
    load: Load | None = None
    capacity: Capacity | None = None
    hottest_streams: tuple[int, ...] | None = None
    agent_version: str | None = None
    last_command: int | None = None
    drain_deadline: int | None = None

    FIELDS = (
        Field(0, "status", lambda value: Status(_uint(0, 3)(value)), required=True),
        Field(1, "reasons", _uint(0, 255)),
        Field(2, "boot_time", _uint(), required=True),
        Field(3, "send_time", _uint(), required=True),
        Field(4, "interval", _uint(100, 3_600_000), required=True),
        Field(5, "redirect_address", _host),
        Field(6, "endpoints", _array(Endpoint.read, 16)),
        Field(7, "real_server_address", _octets(4, 16)),
        Field(8, "zone", _text),
        Field(9, "tags", _array(_text, 16)),
        Field(10, "weight", _number(positive=True)),
        Field(11, "load", Load.read),
        Field(12, "capacity", Capacity.read),
        Field(13, "hottest_streams", _array(_uint(), 32)),
        Field(14, "agent_version", _text),
        Field(15, "last_command", _uint()),
        Field(16, "drain_deadline", _uint()),
        Field(17, "padding", _octets(), ignored=True),
    )

    def padded(self) -> bytes:
        """The body with the shortest padding with which every ack fits."""
        wire, body = self.wire(), self.encode()
        length = 0
        while len(body) < MAX_ACK_BODY:
            body = cbor_encode(wire | {17: bytes(length)})
            length += 1
        return body

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        special: dict[str, Callable[[Any], Any]] = {
            "status": lambda item: Status[item.upper()],
            "endpoints": lambda items: tuple(Endpoint(**item) for item in items),
            "real_server_address": bytes.fromhex,
            "tags": tuple,
            "load": lambda item: Load(**item),
            "capacity": lambda item: Capacity(**item),
            "hottest_streams": tuple,
        }
        return cls(**{name: special[name](item) if name in special else item for name, item in value.items()})


# Streams


def stream_of_path(path: str) -> str | None:
    """The stream that the path of a URL names, as APPLICATION/STREAM; None if it names none."""
    segments = [segment for segment in re.split("[?#]", path, maxsplit=1)[0].split("/") if segment]
    if len(segments) < 2:
        return None
    application, name = segments[:2]
    stem, _, _ = name.rpartition(".")
    return f"{application}/{stem or name}"


def stream_hash(stream: str) -> int:
    """FNV-1a, 64 bits."""
    result = 0xCBF29CE484222325
    for byte in stream.encode():
        result = (result ^ byte) * 0x100000001B3 & U64_MAX
    return result


# Acks


class CommandKind(IntEnum):
    PAUSE = 1
    UNPAUSE = 2
    DRAIN = 3


@dataclass(frozen=True)
class Command:
    id: int
    kind: CommandKind
    deadline: int | None = None

    @classmethod
    def read(cls, value: Any) -> Self:
        _need(isinstance(value, list) and not isinstance(value, Pairs) and len(value) >= 2, "a command")
        kind = CommandKind(_uint(1, 3)(value[1]))
        deadline = _uint()(value[2]) if kind is CommandKind.DRAIN and len(value) > 2 else None
        return cls(_uint(1)(value[0]), kind, deadline)

    def wire(self) -> list[int]:
        return [self.id, self.kind] + ([] if self.deadline is None else [self.deadline])


@dataclass(frozen=True, kw_only=True)
class Ack(Map):
    acknowledged_counter: int
    acknowledged_salt: bytes
    name: str | None = None
    command: Command | None = None

    FIELDS = (
        Field(0, "acknowledged_counter", _uint(), required=True),
        Field(1, "acknowledged_salt", _octets(16), required=True),
        Field(2, "name", _text),
        Field(3, "command", Command.read),
    )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        changed: dict[str, Any] = {"acknowledged_salt": bytes.fromhex(value["acknowledged_salt"])}
        if command := value.get("command"):
            changed["command"] = Command(**command | {"kind": CommandKind[command["kind"].upper()]})
        return cls(**{**value, **changed})

    def fit(self, report_length: int) -> Self | None:
        """The part of this ack that fits into a datagram no longer than the report; None if nothing fits."""
        for ack in (self, replace(self, name=None), replace(self, name=None, command=None)):
            if len(ack.encode()) + OVERHEAD <= report_length:
                return ack
        return None


LONGEST_ACK = Ack(
    acknowledged_counter=U64_MAX,
    acknowledged_salt=bytes(16),
    name="n" * 64,
    command=Command(U64_MAX, CommandKind.DRAIN, U64_MAX),
)
MAX_ACK_BODY = len(LONGEST_ACK.encode())


# Datagrams


class Header(NamedTuple):
    kind: Kind
    key_id: bytes
    edge_id: UUID
    salt: bytes
    counter: int


class ReceivedReport(NamedTuple):
    header: Header
    edge_key: EdgeKey
    body: Report


class ReceivedAck(NamedTuple):
    header: Header
    body: Ack


def seal(kind: Kind, key: EdgeKey, salt: bytes, counter: int, body: bytes, reserved: int = 0) -> bytes:
    """Seals a body of any length."""
    keys = session_keys(key.key, salt, kind)
    header = HEADER.pack(MAGIC, VERSION, kind, reserved, key.key_id, key.guid.bytes, salt, counter)
    sealed = header + AESGCM(keys.encryption).encrypt(_nonce(counter), body, header)
    return sealed + hmac.digest(keys.signature, sealed, "sha256")


def seal_body(key: EdgeKey, salt: bytes, counter: int, body: Report | Ack) -> bytes:
    """Seals a report, with padding, or an ack."""
    encoded = body.padded() if isinstance(body, Report) else body.encode()
    if len(encoded) > MAX_BODY:
        raise BodyError(f"{len(encoded)} bytes, more than {MAX_BODY}")
    return seal(Kind.REPORT if isinstance(body, Report) else Kind.ACK, key, salt, counter, encoded)


def _nonce(counter: int) -> bytes:
    return bytes(4) + counter.to_bytes(8, "big")


def _check(condition: bool, reason: Reason) -> None:
    if not condition:
        raise Rejected(reason)


def _header(datagram: bytes, kind: Kind) -> Header:
    _check(OVERHEAD + 1 <= len(datagram) <= OVERHEAD + MAX_BODY, Reason.LENGTH)
    magic, version, got, _, key_id, edge_id, salt, counter = HEADER.unpack_from(datagram)
    _check(magic == MAGIC, Reason.MAGIC)
    _check(version == VERSION, Reason.VERSION)
    _check(got == kind, Reason.KIND)
    return Header(kind, key_id, UUID(bytes=edge_id), salt, counter)


def _verify(datagram: bytes, keys: SessionKeys) -> None:
    signature = hmac.digest(keys.signature, datagram[:-SIGNATURE_LENGTH], "sha256")
    _check(hmac.compare_digest(signature, datagram[-SIGNATURE_LENGTH:]), Reason.SIGNATURE)


def _decrypt(datagram: bytes, keys: SessionKeys, header: Header) -> bytes:
    sealed = datagram[HEADER.size:-SIGNATURE_LENGTH]
    try:
        return AESGCM(keys.encryption).decrypt(_nonce(header.counter), sealed, datagram[:HEADER.size])
    except InvalidTag as error:
        raise Rejected(Reason.DECRYPTION) from error


def open_report(datagram: bytes, keys: Iterable[Key], last_counter: Callable[[Header], int]) -> ReceivedReport:
    """Opens a report with the balancer's checks from the length to the body.

    last_counter returns the last counter of the header's edge and salt, 0 if there was none.
    """
    header = _header(datagram, Kind.REPORT)
    candidates = (key.edge_key(header.edge_id) for key in keys if key.key_id == header.key_id)
    edge_key = next((key for key in candidates if key), None)
    if edge_key is None:
        raise Rejected(Reason.KEY_ID)
    session = session_keys(edge_key.key, header.salt, Kind.REPORT)
    _verify(datagram, session)
    _check(header.counter > last_counter(header), Reason.COUNTER)
    body = _decrypt(datagram, session, header)
    try:
        return ReceivedReport(header, edge_key, Report.decode(body))
    except BodyError as error:
        raise Rejected(Reason.BODY, str(error)) from error


def open_ack(datagram: bytes, key: EdgeKey, salt: bytes, sent: int, acknowledged: int) -> ReceivedAck:
    """Opens an ack with the agent's checks.

    salt is the agent's for this balancer, sent the counter of its last report, and acknowledged the counter of the last
    report that was acknowledged, 0 if there was none.
    """
    header = _header(datagram, Kind.ACK)
    _check(header.key_id == key.key_id, Reason.KEY_ID)
    _check(header.edge_id == key.guid, Reason.EDGE_ID)
    session = session_keys(key.key, header.salt, Kind.ACK)
    _verify(datagram, session)
    body = _decrypt(datagram, session, header)
    try:
        ack = Ack.decode(body)
    except BodyError as error:
        raise Rejected(Reason.BODY, str(error)) from error
    _check(ack.acknowledged_salt == salt, Reason.ACKNOWLEDGED_SALT)
    _check(acknowledged < ack.acknowledged_counter <= sent, Reason.ACKNOWLEDGED_COUNTER)
    return ReceivedAck(header, ack)
