"""Call a capability: python caller.py greet.person '{"name":"Ada"}'"""

import argparse
import asyncio
import json
import sys

from mesh import Mesh, MeshError
from mesh_trace import Span


async def main() -> int:
    parser = argparse.ArgumentParser(description="Call a capability of the mesh.")
    parser.add_argument("capability")
    parser.add_argument("body", nargs="?", default="null", help="JSON")
    parser.add_argument("--id", help="the call id of an earlier try, to retry it")
    parser.add_argument("--timeout", type=float, default=30, metavar="SECONDS")
    parser.add_argument("--ask", action="store_true", help="one request instead of a durable call")
    args = parser.parse_args()
    mesh = await Mesh.connect()
    span = Span(mesh.me, f"call {args.capability}")
    try:
        body = json.loads(args.body)
        if args.ask:
            result = await mesh.ask(args.capability, body, args.timeout, headers=span.headers)
        else:
            result = await mesh.call(args.capability, body, args.timeout, call=args.id, headers=span.headers)
        span.end()
        print(json.dumps(result, indent=2))
        return 0
    except MeshError as error:
        span.end(error.code)
        print(f"{error.status or 'error'}: {error}\n{error.help}", file=sys.stderr)
        return {"failed": 1, "cancelled": 1, "refused": 3, "expired": 4, "unknown": 4}.get(error.status, 1)
    finally:
        await mesh.nc.drain()


sys.exit(asyncio.run(main()))
