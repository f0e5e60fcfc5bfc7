#!/bin/sh
# Give the agent a name, and start it.
set -eu
cd "$(dirname "$0")/../.."
npx mesh agents add headlines > /dev/null
MESH_CREDS="${MESH_DATA:-.mesh}/creds/headlines.json" exec node dist/examples/model-agent/agent.js
