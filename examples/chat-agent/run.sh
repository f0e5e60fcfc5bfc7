#!/bin/sh
# Give the agent a name, and start it.
set -eu
cd "$(dirname "$0")/../.."
npx mesh agents add writer > /dev/null
MESH_CREDS="${MESH_DATA:-.mesh}/creds/writer.json" exec node dist/examples/chat-agent/agent.js
