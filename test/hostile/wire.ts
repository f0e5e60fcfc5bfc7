/**
 * What attackers say and hear on the wire. An attempt is judged by what arrived where it must not, never by the error
 * that the attacker saw.
 */
import { headers as natsHeaders } from '@nats-io/transport-node';
import { newCallId } from '../../src/agent/index.js';
import type { Msg, NatsConnection } from '../../src/fabric/connection.js';

export type Lines = Readonly<Record<string, string>>;

/** What arrives on a subject while `act` runs and shortly after. */
export async function heard(
  spy: NatsConnection,
  subject: string,
  queue: string | undefined,
  act: () => void | Promise<void>,
): Promise<Msg[]> {
  const got: Msg[] = [];
  const sub = spy.subscribe(subject, {
    ...(queue === undefined ? {} : { queue }),
    callback: (err, msg) => (err === null ? void got.push(msg) : undefined),
  });
  await spy.flush();
  await act();
  await settled(spy);
  sub.unsubscribe();
  return got;
}

/** Everything sent before has been routed: two round trips through the server, and one turn of the loop. */
export async function settled(...connections: NatsConnection[]): Promise<void> {
  for (let i = 0; i < 2; i++) {
    await Promise.all(connections.map((nc) => nc.flush()));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Publish; a permission violation comes back asynchronously and is of no interest here. */
export async function say(
  nc: NatsConnection,
  subject: string,
  body: string | Uint8Array = '{}',
  lines: Lines = {},
  reply?: string,
): Promise<void> {
  nc.publish(subject, body, { headers: linesOf(lines), ...(reply === undefined ? {} : { reply }) });
  await nc.flush();
}

/** Headers as the client has them. */
export function linesOf(lines: Lines): ReturnType<typeof natsHeaders> {
  const h = natsHeaders();
  Object.entries(lines).forEach(([k, v]) => h.set(k, v));
  return h;
}

/** True when what this user publishes there reaches whoever listens. */
export async function getsThrough(
  nc: NatsConnection,
  spy: NatsConnection,
  subject: string,
  lines: Lines = {},
): Promise<boolean> {
  const mark = newCallId();
  const got = await heard(spy, subject, undefined, async () => {
    await say(nc, subject, JSON.stringify({ mark }), lines);
    await settled(nc);
  });
  return got.some((m) => m.string().includes(mark));
}

/** True when this user hears what `speak` says there. */
export async function listensIn(
  nc: NatsConnection,
  subject: string,
  speak: (mark: string) => Promise<void>,
  queue?: string,
): Promise<boolean> {
  const mark = newCallId();
  const got = await heard(nc, subject, queue, () => speak(mark));
  return got.some((m) => m.string().includes(mark) || m.subject.includes(mark));
}

/** The answer to a request, or nothing: it was not allowed, or nobody answers. */
export async function answerTo(
  nc: NatsConnection,
  subject: string,
  body: string | Uint8Array = '',
  lines: Lines = {},
  timeout = 400,
): Promise<Msg | undefined> {
  return await nc.request(subject, body, { timeout, headers: linesOf(lines) }).catch(() => undefined);
}

/** The code of the error that an answer carries; empty when it carries none. */
export function codeIn(msg: Msg | undefined): string {
  return msg?.headers?.get('Nats-Service-Error-Code') ?? '';
}
