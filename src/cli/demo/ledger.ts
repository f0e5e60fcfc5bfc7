/**
 * What the streams say about the calls of a mesh: read from DECISIONS and OUTCOMES, nothing else is believed.
 */
import type { NatsConnection } from '../../fabric/connection.js';
import { scan, type Stored } from '../../fabric/reader.js';
import type { DecisionRecord, ErrorBody, OutcomeRecord } from '../../wire/generated/messages.js';
import type { StreamName } from '../../wire/generated/streams.js';
import { header } from '../../wire/headers.js';
import { birthOf, isCallId } from '../../wire/ulid.js';

/** One call: all of its decisions, and its outcomes (there is one). */
export interface LedgerCall {
  /** `from.call`: the identity of the call. */
  readonly id: string;
  readonly bornMs: number;
  readonly decisions: DecisionRecord[];
  readonly outcomes: OutcomeRecord[];
  /** Error of a refusal. */
  error: ErrorBody | undefined;
  /** What it was about: the path in its body. */
  path: string | undefined;
}

/** All calls, in the order of their first decisions, and what lies undecided in streams of waiting calls. */
export interface Ledger {
  readonly calls: ReadonlyMap<string, LedgerCall>;
  readonly waiting: number;
}

const BODY_BYTES = 4_096;

/** Read the ledger. Needs a user that may read streams: operator or control. */
export async function readLedger(nc: NatsConnection): Promise<Ledger> {
  const calls = new Map<string, LedgerCall>();
  const callOf = (record: DecisionRecord | OutcomeRecord): LedgerCall => {
    const id = `${record.from}.${record.call}`;
    const bornMs = isCallId(record.call) ? birthOf(record.call) : record.at;
    const known = calls.get(id) ?? {
      id,
      bornMs,
      decisions: [],
      outcomes: [],
      error: undefined,
      path: undefined,
    };
    calls.set(id, known);
    return known;
  };
  // Waiting calls first: what is decided between the two looks is then counted twice rather than not at all.
  const waiting = (await messagesIn(nc, 'CALLS')) + (await messagesIn(nc, 'PARKED'));
  await scan(nc, 'DECISIONS', {}, (m) => {
    const record = recordOf<DecisionRecord>(m, header.record);
    if (record !== undefined) {
      const call = callOf(record);
      call.decisions.push(record);
      call.error ??= record.error as ErrorBody | undefined;
      call.path ??= pathIn(m.body);
    }
    return undefined;
  });
  await scan(nc, 'OUTCOMES', { headersOnly: true }, (m) => {
    const record = recordOf<OutcomeRecord>(m, header.outcome);
    if (record !== undefined) {
      callOf(record).outcomes.push(record);
    }
    return undefined;
  });
  return { calls, waiting };
}

async function messagesIn(nc: NatsConnection, stream: StreamName): Promise<number> {
  const info = await nc.request(`$JS.API.STREAM.INFO.${stream}`);
  return info.json<{ state: { messages: number } }>().state.messages;
}

function recordOf<T>(m: Stored, name: string): T | undefined {
  const text = m.headers.get(name);
  return text === undefined ? undefined : (JSON.parse(text) as T);
}

function pathIn(body: Uint8Array): string | undefined {
  if (body.length === 0 || body.length > BODY_BYTES) {
    return undefined;
  }
  const value = JSON.parse(Buffer.from(body).toString()) as { path?: string; folder?: string } | null;
  return value?.path ?? value?.folder;
}
