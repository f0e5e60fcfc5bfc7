/**
 * An agent in a process of its own, for tests that kill it: each task appends one line to the effect file, works a
 * while, and answers.
 *
 * argv: url, credentials file, effect file, capability, idempotent (true|false), minMs, maxMs, plant (none|twice)
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { connect } from '../../src/agent/index.js';

const [
  url = '',
  creds = '',
  effectFile = '',
  capability = '',
  idempotent = '',
  minMs = '',
  maxMs = '',
  plant = '',
] = process.argv.slice(2);

const effects = openSync(effectFile, 'a');
const mesh = await connect({ url, creds, concurrency: 512 });
await mesh.serve(
  capability,
  { idempotent: idempotent === 'true', output: { type: 'object', required: ['n'] } },
  async (body: { n: number }, ctx) => {
    const line = `${JSON.stringify({ key: ctx.key, n: body.n, attempt: ctx.attempt, pid: process.pid })}\n`;
    writeSync(effects, line); // one write of one line: whole also when we are killed
    if (plant === 'twice') {
      writeSync(effects, line);
    }
    await new Promise((resolve) =>
      setTimeout(resolve, Number(minMs) + Math.random() * (Number(maxMs) - Number(minMs))),
    );
    return { n: body.n };
  },
);
process.send?.({ ready: true });
process.once('SIGTERM', () => void mesh.close().then(() => closeSync(effects)));
process.once('disconnect', () => process.exit());
