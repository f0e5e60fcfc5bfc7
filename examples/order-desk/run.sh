#!/bin/sh
# Give the agents their names, and let them work.
set -eu
cd "$(dirname "$0")/../.."
for name in stockroom pricing fulfilment desk; do
  npx mesh agents add "$name" > /dev/null
done
exec node dist/examples/order-desk/main.js
