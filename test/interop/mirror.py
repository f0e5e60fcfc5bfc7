"""An agent through the wire of the example: gives back what it gets, raw bytes backwards, or counts to a number."""

import asyncio
import os
import sys

sys.path.insert(0, os.path.abspath("examples/python"))

from mesh import Mesh  # noqa: E402
from mesh_agent import Agent  # noqa: E402


async def mirror(body, task):
    return body[::-1] if isinstance(body, bytes) else body


async def count(body, task):
    heard = [await task.progress({"n": n}) for n in range(1, body["to"] + 1)]
    return {"heard": sum(heard)}


async def main():
    mesh = await Mesh.connect()
    agent = Agent(mesh)
    handlers = {"mirror.python": mirror, "mirror.count": count}
    await agent.serve(handlers, takes=["json", "bytes"], gives=["json", "bytes"], idempotent=True)
    print(f"{mesh.me} serves mirror.python", flush=True)
    await agent.until_stopped()


asyncio.run(main())
