#!/bin/sh
# Put the model behind the mesh: only this process holds the key of its provider.
set -eu
cd "$(dirname "$0")/../.."
npx mesh agents add llm > /dev/null
exec npx mesh mount llm --model "${OPENAI_MODEL:-gpt-4o-mini}" --key-env OPENAI_API_KEY
