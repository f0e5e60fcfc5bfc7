/**
 * Orphans: decisions without an outcome whose gateway is gone.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { freshInbox, rawHeaders } from '../fabric/raw.js';
import { scan } from '../fabric/reader.js';
import { parse, subject } from '../wire/generated/subjects.js';
import type { Adopt, DecisionRecord, OpenReply } from '../wire/generated/messages.js';
import { encodeHeaders, header } from '../wire/headers.js';
import type { Control } from './core.js';

const BATCH = 128;
const ADOPT_MS = 10_000;
const ANSWER_MS = 300;

interface Orphan {
  readonly seq: number;
  readonly key: string;
  readonly at: number;
}

/** Sequences, from `fromSeq` on, of decisions that are not settled and that no living gateway holds. */
export async function findOrphans(
  control: Control,
  fromSeq: number,
  alive: ReadonlySet<string>,
): Promise<number[]> {
  const candidates: Orphan[] = [];
  await scan(control.nc, 'DECISIONS', { startSeq: fromSeq, headersOnly: true }, (m) => {
    const record = JSON.parse(m.headers.get(header.record) ?? '{}') as Partial<DecisionRecord>;
    if (record.gateway !== undefined && !alive.has(record.gateway)) {
      candidates.push({ seq: m.seq, key: `${record.from}.${record.call}`, at: record.at ?? 0 });
    }
    return undefined;
  });
  if (candidates.length === 0) {
    return [];
  }
  const first = Math.min(...candidates.slice(0, 1_000).map((c) => c.at));
  const settled = await settledSince(control, first - 1_000);
  const unsettled = candidates.filter((c) => !settled.has(c.key)).map((c) => c.seq);
  const held = await heldByOthers(control, unsettled);
  return unsettled.filter((seq) => !held.has(seq));
}

async function settledSince(control: Control, sinceMs: number): Promise<Set<string>> {
  const settled = new Set<string>();
  await scan(control.nc, 'OUTCOMES', { startTimeMs: sinceMs, headersOnly: true }, (m) => {
    const p = parse.settle(m.subject);
    if (p !== undefined) {
      settled.add(`${p.from}.${p.call}`);
    }
    return undefined;
  });
  return settled;
}

/** Those that living gateways adopted before: they are in good hands. */
async function heldByOthers(control: Control, seqs: readonly number[]): Promise<Set<number>> {
  const held = new Set<number>();
  const inbox = freshInbox(control.nc);
  const sub = control.nc.subscribe(inbox, {
    callback: (err, msg) => {
      if (err === null && msg.data.length > 0) {
        msg.json<OpenReply>().seqs?.forEach((seq) => held.add(seq));
      }
    },
  });
  const headers = rawHeaders(encodeHeaders([[header.instance, control.id]]));
  for (let i = 0; i < seqs.length; i += BATCH) {
    const query = JSON.stringify({ seqs: seqs.slice(i, i + BATCH) });
    control.nc.publish(subject.open(), query, { reply: inbox, headers });
  }
  // A gateway that answers late costs a second owner, which the register makes harmless.
  await sleep(seqs.length === 0 ? 0 : ANSWER_MS);
  sub.unsubscribe();
  return held;
}

/** Give decisions to living gateways, in batches; throws when a batch was not confirmed. */
export async function handOver(control: Control, seqs: readonly number[], of: string): Promise<void> {
  const name = of.split(',')[0] ?? 'unknown';
  for (let i = 0; i < seqs.length; i += BATCH) {
    const adopt: Adopt = { seqs: seqs.slice(i, i + BATCH), of: name };
    const headers = rawHeaders(encodeHeaders([[header.instance, control.id]]));
    await control.nc.request(subject.adopt(), JSON.stringify(adopt), { timeout: ADOPT_MS, headers });
  }
}
