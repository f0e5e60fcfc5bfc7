"""A caller of the mesh on plain nats-py, written from docs/protocol.md; the numbers are its sections."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError

from mesh_bodies import Bodies
from mesh_parts import WINDOW, PartsIn
from mesh_wire import IN_MESSAGE, MeshError, body_of, digest_of, new_call_id, now_ms, value_of

ACK_S, ACCEPT_S, ASK_AGAIN_S, PENDING_MS = 0.75, 2.0, 1.5, 30_000


class Mesh:
    """A connection under one name. `await Mesh.connect()`, then `await mesh.call(...)`."""

    def __init__(self, nc: Client, me: str):
        self.nc, self.me = nc, me
        self.bodies = Bodies(nc, me)
        self._news: dict[str, asyncio.Queue[Msg | None]] = {}
        self._parts: dict[str, PartsIn] = {}

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
        await mesh.nc.subscribe(f"mesh.v1.stream.{mesh.me}.*", cb=mesh._streamed)
        return mesh

    async def ask(
        self,
        capability: str,
        body: Any = None,
        timeout_s: float = 30.0,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """One request whose reply is the outcome (2). Not to be repeated: it has no id."""
        _, payload, content = body_of(body)
        lines = {"Mesh-Deadline": str(now_ms() + round(timeout_s * 1000)), **content, **(headers or {})}
        to = f"mesh.v1.ask.{self.me}.{capability}"
        return await self._result(await self.nc.request(to, payload, timeout=timeout_s + 2, headers=lines))

    async def call(
        self,
        capability: str,
        body: Any = None,
        timeout_s: float = 30.0,
        call: str | None = None,
        headers: dict[str, str] | None = None,
        not_after: int | None = None,
        on_part: Callable[[Any], None] | None = None,
    ) -> Any:
        """Call and wait for the outcome (3). Give the `call` id of an earlier try to retry it; `on_part` hears what
        comes before the outcome."""
        (kind, payload, content), id = body_of(body), call or new_call_id()
        deadline = min(now_ms() + round(timeout_s * 1000), not_after or 1 << 53)
        lines = {"Mesh-Call": id, "Mesh-Deadline": str(deadline), **content, **(headers or {})}
        same, ref = payload, None  # what makes a retry the same call
        if len(payload) > IN_MESSAGE:
            same = b"by reference " + digest_of(payload).encode()
            ref = lines["Mesh-Body-Ref"] = await self.bodies.upload(kind, payload, deadline + PENDING_MS)
            payload = b""
        news = self._news[id] = asyncio.Queue()
        if on_part:
            lines["Mesh-Parts"] = str(WINDOW)
            self._parts[id] = PartsIn(self.nc, f"mesh.v1.credit.{self.me}.{id}", id, on_part)
        try:
            await self._offer(f"mesh.v1.call.{self.me}.{capability}", payload, lines)
            # A retry may have its outcome already, and nothing is said twice.
            first_look = now_ms() + 100 if call else deadline + round(ASK_AGAIN_S * 1000)
            heard = await self._outcome(id, news, first_look, deadline)
        finally:
            del self._news[id]
            self._parts.pop(id, None)
        if ref:
            await self.bodies.drop(ref)
        return await self._result(heard, digest_of(capability.encode() + b"\0" + same))

    async def _result(self, msg: Msg, digest: str | None = None) -> Any:
        """The result, or the error as an exception (4)."""
        record = json.loads((msg.headers or {}).get("Mesh-Outcome", "{}"))
        if digest and record.get("digest", digest) != digest:
            raise MeshError("call_id_reused", f"the id {record['call']} stands for another call", retry="never")
        if record.get("status") != "completed":
            raise MeshError(**json.loads(msg.data), status=record.get("status", ""))
        ref = record.get("bodyRef")
        return await self.bodies.fetch(ref) if ref else value_of(msg.headers, msg.data)

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

    async def _streamed(self, msg: Msg) -> None:
        parts = self._parts.get(msg.subject.rsplit(".", 1)[1])
        if parts is not None:
            await parts.receive(msg)

    async def _look_again(self) -> None:
        for news in self._news.values():
            news.put_nowait(None)
