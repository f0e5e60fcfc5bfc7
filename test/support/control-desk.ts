/**
 * The hands of a control process without the process: what it writes and asks, bit by bit, as an attacker inside or a
 * crash between two steps would leave it.
 */
import type { ParkedRecord } from '../../src/wire/generated/messages.js';
import { readSecrets, ringOf } from '../../src/fabric/keyring.js';
import { rawHeaders } from '../../src/fabric/raw.js';
import { getLast } from '../../src/fabric/reader.js';
import { sealVote, type Vote } from '../../src/domain/vote.js';
import { encodeHeaders, header } from '../../src/wire/headers.js';
import type { TestMesh } from './mesh.js';
import type { Shown } from './approvals.js';

export interface ControlDesk {
  seal(vote: Vote): string;
  /** Put a sealed vote where that of `by` belongs. */
  writeVote(on: Shown, by: string, sealed: string): Promise<void>;
  /** Ask a gateway to act on votes; what it says. */
  wake(on: Shown, votes: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

/** Sit down at it. */
export async function controlDesk(mesh: TestMesh): Promise<ControlDesk> {
  const nc = await mesh.broker('control');
  const secrets = await readSecrets(nc);
  const ring = await ringOf(nc, secrets);
  return {
    seal: (vote) => sealVote(ring, vote),
    async writeVote({ from, call, digest }, by, sealed) {
      const to = `_k.${secrets.ingress}.vote.${from}.${call}.${digest}.${by}`;
      const ack = (await nc.request(to, sealed)).json<{ seq?: number; error?: object }>();
      if (ack.seq === undefined) {
        throw new Error(`the vote was not stored: ${JSON.stringify(ack.error)}`);
      }
    },
    async wake({ from, call }, votes) {
      const stored = await getLast(nc, 'PARKED', `mesh.v1.parked.approval.${from}.${call}`);
      const record = JSON.parse(stored?.headers.get(header.record) ?? 'null') as ParkedRecord | null;
      if (stored === undefined || record === null) {
        throw new Error('it is not held');
      }
      const headers = rawHeaders(encodeHeaders([[header.instance, 'control-test']]));
      const asked = JSON.stringify({ seq: stored.seq, votes });
      return (await nc.request('mesh.v1.wake', asked, { timeout: 5_000, headers })).string();
    },
    close: () => nc.close(),
  };
}
