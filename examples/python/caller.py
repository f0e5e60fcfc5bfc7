"""Call a capability: python caller.py greet.person '{"name":"Ada"}'"""

import argparse
import asyncio
import json
import sys
from typing import Any

from mesh import Mesh
from mesh_trace import Span
from mesh_wire import MeshError


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def write(result: Any, path: str | None) -> None:
    raw = result if isinstance(result, bytes) else f"{json.dumps(result, indent=2)}\n".encode()
    if path is None:
        sys.stdout.buffer.write(raw)
    else:
        with open(path, "wb") as file:
            file.write(raw)


async def main() -> int:
    parser = argparse.ArgumentParser(description="Call a capability of the mesh.")
    parser.add_argument("capability")
    parser.add_argument("body", nargs="?", default="null", help="JSON, or @file for raw bytes")
    parser.add_argument("--to", metavar="FILE", help="where the result goes, instead of stdout")
    parser.add_argument("--id", help="the call id of an earlier try, to retry it")
    parser.add_argument("--timeout", type=float, default=30, metavar="SECONDS")
    parser.add_argument("--stream", action="store_true", help="print what comes before the outcome, to stderr")
    parser.add_argument("--ask", action="store_true", help="one request instead of a durable call")
    args = parser.parse_args()
    mesh = await Mesh.connect()
    span = Span(mesh.me, f"call {args.capability}")
    try:
        body = read(args.body[1:]) if args.body.startswith("@") else json.loads(args.body)
        if args.ask:
            result = await mesh.ask(args.capability, body, args.timeout, headers=span.headers)
        else:
            told = (lambda part: print(json.dumps(part), file=sys.stderr)) if args.stream else None
            result = await mesh.call(
                args.capability, body, args.timeout, call=args.id, headers=span.headers, on_part=told
            )
        span.end()
        write(result, args.to)
        return 0
    except MeshError as error:
        span.end(error.code)
        print(f"{error.status or 'error'}: {error}\n{error.help}", file=sys.stderr)
        return {"failed": 1, "cancelled": 1, "refused": 3, "expired": 4, "unknown": 4}.get(error.status, 1)
    finally:
        await mesh.nc.drain()


sys.exit(asyncio.run(main()))
