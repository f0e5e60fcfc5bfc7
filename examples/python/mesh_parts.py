"""Partial outputs: what a call gives before its outcome, in order and once (3 for callers, 5 for agents)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg

from mesh_wire import encode

WINDOW, REPEAT_S, STALL_S = 64, 1.0, 10.0


class PartsIn:
    """Those of one call, for its caller."""

    def __init__(self, nc: Client, credit_to: str, call: str, use: Callable[[Any], None]):
        self.nc, self.credit_to, self.call, self.use = nc, credit_to, call, use
        self.attempt, self.next = 0, 1

    async def receive(self, msg: Msg) -> None:
        headers = msg.headers or {}
        if "Mesh-Part" not in headers:
            return  # what the server writes has none
        n, attempt = int(headers["Mesh-Part"]), int(headers["Mesh-Attempt"])
        if attempt > self.attempt:
            self.attempt, self.next = attempt, 1  # an idempotent capability begins anew
        if attempt < self.attempt or n > self.next:
            return  # over, or one in between is missing: the agent says it again
        if n == self.next:
            self.use(json.loads(msg.data))
            self.next += 1
        used = {"Mesh-Call": self.call, "Mesh-Part": str(self.next - 1)}
        await self.nc.publish(self.credit_to, headers=used)


class PartsOut:
    """Those of one task, for its agent. `wish` is the header Mesh-Parts: without it nobody listens."""

    def __init__(self, nc: Client, wish: str | None, reply: str):
        self.nc, self.reply = nc, reply
        self.window = int(wish.split(" ")[0]) if wish else 0
        self.unused: dict[int, bytes] = {}
        self.count, self.lost, self.heard = 0, False, 0.0
        self.change = asyncio.Event()

    async def push(self, value: Any) -> bool:
        """Give one, when there is room for it. False: nobody reads."""
        if not self.window:
            return False
        await self._until(lambda: len(self.unused) < self.window)
        self.count += 1
        if self.lost:
            return False
        if not self.unused:
            self.heard = time.monotonic()  # silence counts from the first that waits
        self.unused[self.count] = encode(value)
        await self._say(self.count)
        return True

    async def finish(self) -> dict[str, str]:
        """All was used, or nobody reads: what the result says of them."""
        await self._until(lambda: not self.unused)
        return {"Mesh-Parts": str(self.count)} if self.count else {}

    def used(self, up_to: int) -> None:
        for n in [n for n in self.unused if n <= up_to]:
            del self.unused[n]
            self.heard = time.monotonic()
        self.change.set()

    async def tick(self) -> None:
        """From time to time: say again what was not used, or give up."""
        silent = time.monotonic() - self.heard
        if self.unused and silent > STALL_S:
            self.lost = True
            self.change.set()
        elif self.unused and silent > REPEAT_S:
            for n in list(self.unused):
                await self._say(n)

    async def _say(self, n: int) -> None:
        to = self.reply.replace(".result.", ".progress.", 1)
        if n in self.unused:
            await self.nc.publish(to, self.unused[n], headers={"Mesh-Part": str(n)})

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true() and not self.lost:
            self.change.clear()
            await self.change.wait()
