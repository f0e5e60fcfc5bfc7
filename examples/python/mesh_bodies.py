"""Bodies that are too large for a message: stored with the gateways chunk by chunk, and fetched in the same way (3)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError

from mesh_wire import MeshError, digest_of, encode, now_ms, value_of

CHUNK, AT_ONCE, CHUNK_S, SEAL_S, TRIES = 262_144, 4, 5.0, 30.0, 8


class Bodies:
    """The body service of the gateways, over one connection."""

    def __init__(self, nc: Client, me: str):
        self.nc, self.me = nc, me

    async def upload(self, kind: str, data: bytes, until: int) -> str:
        """Store it; the reference to put on a call or a result."""
        what = {"bytes": len(data), "digest": digest_of(data), "type": kind, "until": until}
        begun = json.loads((await self._step("upload", "begin", encode(what))).data)
        size = begun["chunkBytes"]

        async def send(n: int) -> None:
            headers = {"Mesh-Body-Ref": begun["ref"], "Mesh-Chunk": str(n)}
            await self._step("upload", "chunk", data[(n - 1) * size : n * size], headers)

        await in_window(-(-len(data) // size), send)
        end = await self._step("upload", "end", b"", {"Mesh-Body-Ref": begun["ref"]}, SEAL_S)
        return json.loads(end.data)["ref"]

    async def fetch(self, ref: str) -> object:
        """What a reference on a task or in an outcome stands for, proved by its digest."""
        _, _, size, digest, kind, *_ = ref.split(".")
        whole = bytearray(int(size))

        async def take(n: int) -> None:
            got = await self._step("fetch", None, b"", {"Mesh-Body-Ref": ref, "Mesh-Chunk": str(n)})
            whole[(n - 1) * CHUNK : n * CHUNK] = got.data

        await in_window(-(-len(whole) // CHUNK), take)
        if digest_of(whole) != digest:
            raise MeshError("body_changed", "the body is not the one that was stored")
        types = {"bytes": "application/octet-stream", "json": "application/json"}
        return value_of({"Content-Type": types[kind]}, bytes(whole))

    async def drop(self, ref: str) -> None:
        """It is needed no more. If this fails its time ends it."""
        to = f"mesh.v1.upload.{self.me}.drop"
        await self.nc.publish(to, reply=self.nc.new_inbox(), headers={"Mesh-Body-Ref": ref})

    async def _step(
        self,
        service: str,
        what: str | None,
        data: bytes,
        headers: dict[str, str] | None = None,
        timeout: float = CHUNK_S,
    ) -> Msg:
        """One request, and again after a moment when the answer is to come later or does not come."""
        to = ".".join(word for word in ("mesh.v1", service, self.me, what) if word)
        for tries in range(1, TRIES + 1):
            try:
                reply = await self.nc.request(to, data, timeout=timeout, headers=headers)
            except (TimeoutError, nats.errors.TimeoutError, NoRespondersError):
                error = MeshError("unavailable", "no gateway answered", retry="same_id")
            else:
                if "Nats-Service-Error-Code" not in (reply.headers or {}):
                    return reply
                error = MeshError(**json.loads(reply.data))
            if error.code not in ("unavailable", "overloaded") or tries == TRIES:
                raise error
            await asyncio.sleep(0.1 * 2**tries)
        raise AssertionError("unreachable")


async def in_window(count: int, work: Callable[[int], Awaitable[None]]) -> None:
    """The work for 1 to `count`, a few at a time."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(n: int) -> None:
        async with places:
            await work(n)

    await asyncio.gather(*(one(n) for n in range(1, count + 1)))
