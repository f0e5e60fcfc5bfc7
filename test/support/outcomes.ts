/**
 * Outcomes as they stand in the register.
 */
import type { NatsConnection } from '../../src/fabric/connection.js';
import { getLast } from '../../src/fabric/reader.js';
import { readOutcome } from '../../src/gateway/records.js';
import type { OutcomeRecord } from '../../src/wire/generated/messages.js';
import { until } from './mesh.js';

/** The outcome of a call, once it is there. `nc` is the connection of a gateway. */
export function outcomeIn(nc: NatsConnection, from: string, call: string): Promise<OutcomeRecord> {
  return until(async () => {
    const stored = await getLast(nc, 'OUTCOMES', `mesh.v1.settle.${from}.${call}`);
    return stored === undefined ? undefined : readOutcome(stored.headers);
  }, 20_000);
}
