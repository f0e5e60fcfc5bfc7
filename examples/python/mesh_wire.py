"""What crosses the wire: errors, ids, bodies. Written from docs/protocol.md; the numbers are its sections."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from typing import Any

CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
IN_MESSAGE = 1_000_000
RAW = "application/octet-stream"


class MeshError(Exception):
    """An outcome that is not `completed`, or an error about the question (then `status` is empty)."""

    def __init__(self, code: str, message: str, retry: str = "check", help: str = "", status: str = "", **_: Any):
        super().__init__(f"[{code}] {message}")
        self.code, self.message, self.retry, self.help, self.status = code, message, retry, help, status


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def new_call_id() -> str:
    """A lowercase ULID: 48 bits of time, 80 of chance (3)."""
    value = now_ms() << 80 | secrets.randbits(80)
    return "".join(CROCKFORD[value >> shift & 31] for shift in range(125, -5, -5))


def encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def body_of(value: Any) -> tuple[str, bytes, dict[str, str]]:
    """Its kind, its bytes and the headers that say so: `bytes` go as they are, all else as JSON."""
    if isinstance(value, bytes):
        return "bytes", value, {"Content-Type": RAW}
    return "json", encode(value), {}


def value_of(headers: dict[str, str] | None, data: bytes) -> Any:
    """The other way round; an empty JSON body is None."""
    return data if (headers or {}).get("Content-Type") == RAW else json.loads(data or b"null")


def digest_of(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
