"""An agent of the mesh on plain nats-py, written from docs/protocol.md (5 and 6)."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from nats.aio.msg import Msg

from mesh import Mesh
from mesh_parts import PartsOut
from mesh_wire import IN_MESSAGE, MeshError, body_of, encode, now_ms, value_of

KEEP_S, REPEAT_S, HELLO_S, GRACE_MS = 120, 1.0, 15, 30_000


@dataclass
class Task:
    """What a handler may know of its task."""

    mesh: Mesh
    capability: str
    key: str  # the same in every attempt: make an effect once per key
    ticket: str
    deadline: int
    reply: str
    parts: PartsOut
    trace: dict[str, str] = field(default_factory=dict)
    children: int = 0

    async def call(self, capability: str, body: Any = None, timeout_s: float = 3600) -> Any:
        """A child call: traced to the same root, over when the task is over (6)."""
        headers = {"Mesh-Ticket": self.ticket, "Mesh-Child": str(self.children), **self.trace}
        self.children += 1
        return await self.mesh.call(
            capability, body, timeout_s, headers=headers, not_after=self.deadline - 100
        )

    async def progress(self, value: Any) -> bool:
        """A partial output; returns when there is room for the next. False: nobody reads (5)."""
        return await self.parts.push(value)


Handler = Callable[[Any, Task], Awaitable[Any]]


@dataclass
class Kept:
    """A result that no gateway has taken yet."""

    reply: str
    body: bytes
    headers: dict[str, str]
    born: float = field(default_factory=time.monotonic)
    said: float = field(default_factory=time.monotonic)


@dataclass
class Count:
    """What a capability came to; `nats micro stats` shows it."""

    tasks: int = 0
    failed: int = 0
    worked_s: float = 0


class Agent:
    """One instance of an agent. `await agent.serve({capability: handler})`, then `await agent.until_stopped()`."""

    def __init__(self, mesh: Mesh, concurrency: int = 8):
        self.mesh, self.nc, self.concurrency = mesh, mesh.nc, concurrency
        self.instance = f"i-{secrets.token_hex(6)}"
        self.who = {"Mesh-Instance": self.instance}
        self.draining = False
        self.running: dict[str, tuple[Task, asyncio.Task[None]]] = {}
        self.kept: dict[int, Kept] = {}
        self.handlers: dict[str, Handler] = {}
        self.since, self.counts = now_ms(), dict[str, Count]()

    async def serve(self, handlers: dict[str, Handler], **options: Any) -> None:
        """Present the card and take tasks. `options` stand in the card of each capability."""
        self.handlers = handlers
        capabilities = [{"version": "1.0", "references": True, **options, "name": name} for name in handlers]
        hello = await self._hello({"concurrency": self.concurrency, "capabilities": capabilities})
        me, instance = self.mesh.me, self.instance
        await self.nc.subscribe(f"mesh.v1.task.{me}.{hello['token']}.>", queue="mesh", cb=self._task)
        await self.nc.subscribe(f"mesh.v1.taken.{me}.{instance}", cb=self._taken)
        await self.nc.subscribe(f"mesh.v1.stop.{me}.*", cb=self._stop)
        await self.nc.subscribe(f"mesh.v1.flow.{me}.*", cb=self._flow)
        await self.nc.subscribe(f"mesh.v1.probe.{me}.{instance}", cb=self._probe)
        await self.nc.subscribe(f"mesh.v1.measure.{me}.{instance}", cb=self._measure)
        await self.nc.flush()  # the subscriptions stand before the first beat invites tasks
        self.pulse = asyncio.create_task(self._pulse(hello["beatMs"] / 1000))

    async def until_stopped(self) -> None:
        """Wait for Ctrl-C or SIGTERM, then finish what runs and leave."""
        stop = asyncio.Event()
        for sign in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(sign, stop.set)
        await stop.wait()
        self.draining = True
        until = time.monotonic() + 5
        while (self.running or self.kept) and time.monotonic() < until:
            await asyncio.sleep(0.05)
        self.pulse.cancel()
        await self.nc.publish(f"mesh.v1.bye.{self.mesh.me}.{self.instance}", headers=self.who)
        await self.nc.drain()

    async def _hello(self, card: dict[str, Any]) -> dict[str, Any]:
        to, until = f"mesh.v1.hello.{self.mesh.me}.{self.instance}", time.monotonic() + HELLO_S
        while True:
            try:
                reply = await self.nc.request(to, encode(card), timeout=5, headers=self.who)
                break
            except Exception:  # control may be starting
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.2)
        answer = json.loads(reply.data)
        if "Nats-Service-Error-Code" in (reply.headers or {}):
            raise MeshError(**answer)
        return answer

    async def _pulse(self, beat_s: float) -> None:
        """Beat, and say again what was not taken."""
        while True:
            beat = {
                "state": "draining" if self.draining else "ready",
                "inFlight": len(self.running),
                "concurrency": self.concurrency,
            }
            await self.nc.publish(f"mesh.v1.beat.{self.mesh.me}.{self.instance}", encode(beat), headers=self.who)
            now = time.monotonic()
            self.kept = {seq: kept for seq, kept in self.kept.items() if now - kept.born < KEEP_S}
            for kept in [kept for kept in self.kept.values() if now - kept.said > REPEAT_S]:
                kept.said = now
                await self.nc.publish(to_gateway(kept.reply, "any"), kept.body, headers=kept.headers)
            for task, _ in list(self.running.values()):
                await task.parts.tick()
            await asyncio.sleep(beat_s)

    async def _task(self, msg: Msg) -> None:
        headers = msg.headers or {}
        if "Mesh-Ticket" not in headers or not msg.reply:
            return  # not from a gateway
        key, deadline = headers["Mesh-Key"], int(headers["Mesh-Deadline"])
        capability = ".".join(msg.subject.split(".")[5:])
        handler = self.handlers.get(capability)
        full = len(self.running) >= self.concurrency
        if handler is None:
            await self.nc.publish(msg.reply, headers={"Mesh-Status": "unserved"})
        elif full or self.draining or key in self.running or deadline <= now_ms():
            await self.nc.publish(msg.reply, headers={"Mesh-Status": "busy"})
        else:
            trace = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
            parts = PartsOut(self.nc, headers.get("Mesh-Parts"), msg.reply)
            task = Task(self.mesh, capability, key, headers["Mesh-Ticket"], deadline, msg.reply, parts, trace)
            self.running[key] = task, asyncio.create_task(self._run(task, handler, msg))

    async def _run(self, task: Task, handler: Handler, msg: Msg) -> None:
        headers: dict[str, str] = {}
        began = time.monotonic()
        try:
            left_s = (task.deadline - now_ms()) / 1000
            body, headers = await asyncio.wait_for(self._work(task, handler, msg), left_s)
        except asyncio.CancelledError:
            body, headers = encode({"message": "stopped"}), {"Mesh-Status": "cancelled"}
        except Exception as error:
            body, headers = encode({"message": str(error) or type(error).__name__}), {"Mesh-Status": "failed"}
        del self.running[task.key]
        count = self.counts.setdefault(task.capability, Count())
        count.tasks += 1
        count.failed += "Mesh-Status" in headers
        count.worked_s += time.monotonic() - began
        self.kept[seq_of(task.reply)] = Kept(task.reply, body, headers)
        await self.nc.publish(task.reply, body, headers=headers)

    async def _work(self, task: Task, handler: Handler, msg: Msg) -> tuple[bytes, dict[str, str]]:
        """The handler's result as it is published; what is too large for a message is stored first."""
        ref = (msg.headers or {}).get("Mesh-Body-Ref")
        value = await self.mesh.bodies.fetch(ref) if ref else value_of(msg.headers, msg.data)
        kind, body, headers = body_of(await handler(value, task))
        headers |= await task.parts.finish()
        if len(body) <= IN_MESSAGE:
            return body, headers
        expires = json.loads(task.ticket[: task.ticket.rindex(".")])["expires"]
        stored = await self.mesh.bodies.upload(kind, body, expires + GRACE_MS)
        return b"", {**headers, "Mesh-Body-Ref": stored}

    async def _taken(self, msg: Msg) -> None:
        if msg.headers:  # what the server writes has none
            for seq in json.loads(msg.data)["seqs"]:
                self.kept.pop(seq, None)

    async def _stop(self, msg: Msg) -> None:
        running = self.running.get((msg.headers or {}).get("Mesh-Key", ""))
        if running is not None:
            running[1].cancel()

    async def _flow(self, msg: Msg) -> None:
        headers = msg.headers or {}
        running = self.running.get(headers.get("Mesh-Key", ""))
        if running is not None:
            running[0].parts.used(int(headers["Mesh-Part"]))

    async def _probe(self, msg: Msg) -> None:
        """A gateway took over for a dead one and asks for a sign of these tasks."""
        heir = (msg.headers or {}).get("Mesh-Instance")
        if heir is None:
            return
        seqs = set(json.loads(msg.data)["seqs"])
        for seq in seqs & self.kept.keys():
            kept = self.kept[seq]
            await self.nc.publish(to_gateway(kept.reply, "any"), kept.body, headers=kept.headers)
        for task, _ in self.running.values():
            if seq_of(task.reply) in seqs:
                task.reply = task.parts.reply = to_gateway(task.reply, heir)
                await self.nc.publish(task.reply, headers={"Mesh-Status": "working"})

    async def _measure(self, msg: Msg) -> None:
        if msg.headers:
            rows = [
                {"name": name, "tasks": c.tasks, "failed": c.failed, "workedUs": round(c.worked_s * 1e6)}
                for name, c in self.counts.items()
            ]
            stats = encode({"since": self.since, "capabilities": rows})
            await self.nc.publish(f"mesh.v1.stats.{self.mesh.me}.{self.instance}", stats, headers=self.who)


def seq_of(reply: str) -> int:
    """mesh.v1.result.{agent}.{gateway}.{seq}.{mac}"""
    return int(reply.split(".")[5])


def to_gateway(reply: str, gateway: str) -> str:
    tokens = reply.split(".")
    return ".".join([*tokens[:4], gateway, *tokens[5:]])
