/**
 * The bookkeeper: a process of its own that took no part in the work. It reads the streams and the effect file and
 * prints the books as one JSON line. MESH_URL, MESH_CREDS (of an operator) and DEMO_EFFECTS say where they are.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectBroker, type NatsConnection } from '../../fabric/connection.js';
import { loadCredentials } from '../../fabric/users.js';
import { meshError } from '../../wire/errors.js';
import { balance, isOpen, type Effect } from './balance.js';
import { readLedger, type Ledger } from './ledger.js';

/** An outcome is promised within the deadline of its call and a grace; nothing here has so long a deadline. */
const PATIENCE_MS = 15_000;
const LOOK_MS = 100;

const { name, seed } = loadCredentials(wanted('MESH_CREDS'));
const nc = await connectBroker({ url: wanted('MESH_URL'), name, seed });
const ledger = await quietLedger(nc);
const effects = readEffects(wanted('DEMO_EFFECTS'));
process.stdout.write(`${JSON.stringify({ ...balance(ledger, effects), pid: process.pid })}\n`);
await nc.close();

/** Read until nothing is open any more, or as long as patience lasts. */
async function quietLedger(broker: NatsConnection): Promise<Ledger> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const now = await readLedger(broker);
    const quiet = now.waiting === 0 && ![...now.calls.values()].some(isOpen);
    if (quiet || Date.now() > end) {
      return now;
    }
    await sleep(LOOK_MS);
  }
}

function readEffects(file: string): Effect[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Effect);
}

function wanted(variable: string): string {
  const value = process.env[variable];
  if (value === undefined) {
    throw meshError('config_missing', { what: variable });
  }
  return value;
}
