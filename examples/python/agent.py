"""An agent: serves greet.person, and on the way asks another agent for the time."""

import asyncio
from typing import Any

from mesh import Mesh
from mesh_agent import Agent, Task


async def greet(body: Any, task: Task) -> Any:
    clock = await task.call("clock.now")  # with the authority and the time of this task, never more
    return {"greeting": f"Hello {body['name']}", "at": clock["now"]}


async def main() -> None:
    mesh = await Mesh.connect()
    agent = Agent(mesh)
    await agent.serve({"greet.person": greet}, idempotent=True)
    print(f"{mesh.me} serves greet.person", flush=True)
    await agent.until_stopped()


asyncio.run(main())
