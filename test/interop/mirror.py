"""An agent that gives back what it gets, raw bytes backwards: bodies of every kind and size through the example's wire."""

import asyncio
import os
import sys

sys.path.insert(0, os.path.abspath("examples/python"))

from mesh import Mesh  # noqa: E402
from mesh_agent import Agent  # noqa: E402


async def mirror(body, task):
    return body[::-1] if isinstance(body, bytes) else body


async def main():
    mesh = await Mesh.connect()
    agent = Agent(mesh)
    await agent.serve({"mirror.python": mirror}, takes=["json", "bytes"], gives=["json", "bytes"], idempotent=True)
    print(f"{mesh.me} serves mirror.python", flush=True)
    await agent.until_stopped()


asyncio.run(main())
