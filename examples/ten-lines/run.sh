#!/bin/sh
# Give the agent a name, and start it.
set -eu
cd "$(dirname "$0")/../.."
npx mesh agents add inventory > /dev/null
MESH_CREDS="${MESH_DATA:-.mesh}/creds/inventory.json" exec node dist/examples/ten-lines/agent.js
