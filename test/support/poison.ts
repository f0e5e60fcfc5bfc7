/**
 * Calls that the mesh gives up on: a plain responder that takes tasks and does not answer, until it is told to.
 */
import { newCallId, type CallOptions, type Mesh, type MeshError } from '../../src/agent/index.js';
import type { Msg, NatsConnection } from '../../src/fabric/connection.js';
import { scan } from '../../src/fabric/reader.js';
import { readUsers } from '../../src/fabric/users.js';
import type { DecisionRecord } from '../../src/wire/generated/messages.js';
import { header } from '../../src/wire/headers.js';
import { until, type TestMesh } from './mesh.js';

/** What a task was given with. */
export interface Given {
  readonly capability: string;
  readonly call: string;
  readonly key: string;
  /** What it is when it is JSON, else the bytes. */
  readonly body: unknown;
  /** The reference to the body, if it is not in the message. */
  readonly ref?: string;
}

/** A responder under this name, and what it was given. */
export interface Poison {
  readonly given: Given[];
  /** True: it answers. */
  mended: boolean;
  /** Listen no more. */
  stop(): Promise<void>;
}

/** Register a plain responder that is silent until `mended`. Every capability is idempotent and impatient. */
export async function startPoison(
  mesh: TestMesh,
  agent: string,
  capabilities: readonly string[],
  more: object = {},
): Promise<Poison> {
  const user = readUsers(mesh.dir).find((one) => one.name === agent)?.publicKey;
  const card = {
    concurrency: 64,
    capabilities: capabilities.map((name) => ({
      name,
      version: '1.0',
      idempotent: true,
      attemptMs: 100,
      ...more,
    })),
  };
  const reply = await mesh.operator.request(
    'mesh.v1.admin.operator.plain',
    JSON.stringify({ agent, user, card }),
  );
  const { subjects } = reply.json<{ subjects: { subject: string; capability: string }[] }>();
  const nc = await mesh.broker(agent);
  const poison: Poison = { given: [], mended: false, stop: () => nc.close() };
  for (const { subject, capability } of subjects) {
    const callback = (_: unknown, msg: Msg): void => {
      const said = (name: string): string => msg.headers?.get(name) ?? '';
      const isJson = said(header.contentType) === '' && said(header.bodyRef) === '';
      const ref = said(header.bodyRef);
      poison.given.push({
        capability,
        call: said(header.call),
        key: said(header.key),
        body: isJson ? msg.json() : Buffer.from(msg.data),
        ...(ref === '' ? {} : { ref }),
      });
      if (poison.mended) {
        msg.respond(isJson ? msg.data : '{}');
      }
    };
    nc.subscribe(subject, { queue: 'mesh', callback });
  }
  return poison;
}

/** Make a call and wait until it is dead; its id. */
export async function die(
  caller: Mesh,
  capability: string,
  body: unknown,
  more: CallOptions = {},
): Promise<string> {
  const id = newCallId();
  const told = await caller.call(capability, body, { ...more, id, timeoutMs: 25_000 }).then(
    () => 'completed',
    (err: MeshError) => err.code,
  );
  if (told !== 'poison') {
    throw new Error(`${capability} ended with ${told}`);
  }
  return id;
}

/** Decisions that replay this dead call. */
export async function replaysOf(nc: NatsConnection, of: string): Promise<DecisionRecord[]> {
  const found: DecisionRecord[] = [];
  await scan(nc, 'DECISIONS', { headersOnly: true }, (m) => {
    const record = JSON.parse(m.headers.get(header.record) ?? '{}') as DecisionRecord;
    if (record.replays === of) {
      found.push(record);
    }
    return undefined;
  });
  return found;
}

/** The status and code that the register holds for a call, once it does. */
export function outcomeOf(nc: NatsConnection, from: string, call: string): Promise<string> {
  return until(async () => {
    const request = JSON.stringify({ last_by_subj: `mesh.v1.settle.${from}.${call}` });
    const reply = await nc.request('$JS.API.STREAM.MSG.GET.OUTCOMES', request);
    const { message } = reply.json<{ message?: { hdrs: string } }>();
    const text = Buffer.from(message?.hdrs ?? '', 'base64').toString();
    const [, record] = /Mesh-Outcome: (.*)\r\n/.exec(text) ?? [];
    const { status, code } = JSON.parse(record ?? '{}') as { status?: string; code?: string };
    return status === undefined ? undefined : code === undefined ? status : `${status} ${code}`;
  });
}
