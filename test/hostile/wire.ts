/**
 * What attackers say and hear on the wire. An attempt is judged by what arrived where it must not, never by the error
 * that the attacker saw.
 */
import { newCallId } from '../../src/agent/index.js';
import type { Msg, NatsConnection } from '../../src/fabric/connection.js';
import { heard, linesOf, say, settled } from '../support/hostile.js';

export type Lines = Readonly<Record<string, string>>;

export { heard, linesOf, say, settled };

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
