#!/usr/bin/env node
// The door: everything else is compiled from src/cli into dist.
import { existsSync } from 'node:fs';

const main = new URL('../dist/src/cli/main.js', import.meta.url);
if (existsSync(main)) {
  const { run } = await import(main.href);
  await run(process.argv.slice(2));
} else {
  process.stderr.write('mesh is not compiled yet: run `npm run build` first.\n');
  process.exitCode = 1;
}
