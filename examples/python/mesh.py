"""A caller of the mesh on plain nats-py, written from docs/protocol.md; the numbers are its sections."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import secrets
import time
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError

CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
ACK_S, ACCEPT_S, ASK_AGAIN_S, PENDING_MS = 0.75, 2.0, 1.5, 30_000


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


class Mesh:
    """A connection under one name. `await Mesh.connect()`, then `await mesh.call(...)`."""

    def __init__(self, nc: Client, me: str):
        self.nc, self.me = nc, me
        self._news: dict[str, asyncio.Queue[Msg | None]] = {}

    @classmethod
    async def connect(cls, creds: str | None = None, url: str | None = None) -> Mesh:
        """Connect with a credentials file (MESH_CREDS) to a server (MESH_URL) (1)."""
        with open(creds or os.environ["MESH_CREDS"], encoding="utf-8") as file:
            who = json.load(file)
        mesh = cls(Client(), who["name"])
        await mesh.nc.connect(
            url or os.environ.get("MESH_URL") or who["url"],
            name=mesh.me,
            nkeys_seed_str=who["seed"],
            inbox_prefix=f"_INBOX.{mesh.me}",
            max_reconnect_attempts=-1,
            ping_interval=10,
            reconnected_cb=mesh._look_again,
        )
        await mesh.nc.subscribe(f"mesh.v1.outcome.{mesh.me}.*", cb=mesh._heard)
        return mesh

    async def ask(
        self,
        capability: str,
        body: Any = None,
        timeout_s: float = 30.0,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """One request whose reply is the outcome (2). Not to be repeated: it has no id."""
        lines = {"Mesh-Deadline": str(now_ms() + round(timeout_s * 1000)), **(headers or {})}
        to = f"mesh.v1.ask.{self.me}.{capability}"
        return outcome_of(await self.nc.request(to, encode(body), timeout=timeout_s + 2, headers=lines))

    async def call(
        self,
        capability: str,
        body: Any = None,
        timeout_s: float = 30.0,
        call: str | None = None,
        headers: dict[str, str] | None = None,
        not_after: int | None = None,
    ) -> Any:
        """Call and wait for the outcome (3). Give the `call` id of an earlier try to retry it."""
        payload, id = encode(body), call or new_call_id()
        deadline = min(now_ms() + round(timeout_s * 1000), not_after or 1 << 53)
        lines = {"Mesh-Call": id, "Mesh-Deadline": str(deadline), **(headers or {})}
        news = self._news[id] = asyncio.Queue()
        try:
            await self._offer(f"mesh.v1.call.{self.me}.{capability}", payload, lines)
            # A retry may have its outcome already, and nothing is said twice.
            first_look = now_ms() + 100 if call else deadline + round(ASK_AGAIN_S * 1000)
            heard = await self._outcome(id, news, first_look, deadline)
        finally:
            del self._news[id]
        digest = hashlib.sha256(capability.encode() + b"\0" + payload).digest()
        return outcome_of(heard, base64.urlsafe_b64encode(digest).decode().rstrip("="))

    async def _offer(self, to: str, payload: bytes, headers: dict[str, str]) -> None:
        """Publish until it is acknowledged, always with the same id."""
        until = time.monotonic() + ACCEPT_S
        while time.monotonic() < until:
            try:
                ack = json.loads((await self.nc.request(to, payload, timeout=ACK_S, headers=headers)).data)
            except (TimeoutError, nats.errors.TimeoutError):
                continue
            except NoRespondersError:
                await asyncio.sleep(ACK_S)
                continue
            if "error" not in ack:
                return
            raise MeshError("storage_full", ack["error"]["description"], retry="same_id")
        raise MeshError("unavailable", "the mesh did not accept the call", retry="same_id")

    async def _outcome(self, id: str, news: asyncio.Queue[Msg | None], look: int, deadline: int) -> Msg:
        """Hear the outcome, or recall it: after silence and after every reconnect."""
        pause_s = 0.1
        while now_ms() < deadline + PENDING_MS:
            try:
                heard = await asyncio.wait_for(news.get(), max(0, look - now_ms()) / 1000)
            except (TimeoutError, asyncio.TimeoutError):
                heard = None
            heard = heard or await self._recall(id)
            if heard is not None:
                return heard
            look, pause_s = now_ms() + round(pause_s * 1000), min(pause_s * 2, ASK_AGAIN_S)
        raise MeshError("outcome_pending", "no outcome yet; the call may still run", retry="same_id")

    async def _recall(self, id: str) -> Msg | None:
        try:
            reply = await self.nc.request(f"mesh.v1.recall.{self.me}.{id}", timeout=ASK_AGAIN_S)
            return reply if "Mesh-Outcome" in (reply.headers or {}) else None
        except (TimeoutError, nats.errors.TimeoutError, NoRespondersError):
            return None

    async def _heard(self, msg: Msg) -> None:
        # Only the server writes this header, and only on what it has stored.
        news = self._news.get(msg.subject.rsplit(".", 1)[1])
        if news is not None and (msg.headers or {}).get("Nats-Stream") == "OUTCOMES":
            news.put_nowait(msg)

    async def _look_again(self) -> None:
        for news in self._news.values():
            news.put_nowait(None)


def encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def outcome_of(msg: Msg, digest: str | None = None) -> Any:
    """The result, or the error as an exception (4)."""
    record = json.loads((msg.headers or {}).get("Mesh-Outcome", "{}"))
    body = json.loads(msg.data or b"null")
    if digest and record.get("digest", digest) != digest:
        raise MeshError("call_id_reused", f"the id {record['call']} stands for another call", retry="never")
    if record.get("status") == "completed":
        return body
    raise MeshError(**body, status=record.get("status", ""))
