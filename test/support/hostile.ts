/**
 * Tools of the hostile tests: an attack is judged by what its victim and the streams received, never by the error the
 * attacker saw; and beside each stands a control, the same step by somebody entitled, which must work.
 */
import { headers as natsHeaders } from '@nats-io/transport-node';
import type { Msg, NatsConnection } from '../../src/fabric/connection.js';
import { newCallId } from '../../src/agent/index.js';

export interface Attack {
  readonly name: string;
  /** True when the attack had its effect. */
  readonly attempt: () => Promise<boolean>;
  /** True when the same step works for somebody entitled. */
  readonly control: () => Promise<boolean>;
}

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
  lines: Readonly<Record<string, string>> = {},
  reply?: string,
): Promise<void> {
  nc.publish(subject, body, { headers: linesOf(lines), ...(reply === undefined ? {} : { reply }) });
  await nc.flush();
}

/** Headers as the client has them. */
export function linesOf(lines: Readonly<Record<string, string>>): ReturnType<typeof natsHeaders> {
  const h = natsHeaders();
  Object.entries(lines).forEach(([k, v]) => h.set(k, v));
  return h;
}

/** A publish that only `entitled` may make. */
export function publishing(
  name: string,
  attacker: NatsConnection,
  entitled: NatsConnection,
  spy: NatsConnection,
  subject: () => string,
): Attack {
  const by = (nc: NatsConnection) => async () => {
    const mark = newCallId();
    const got = await heard(spy, subject(), undefined, () => say(nc, subject(), JSON.stringify({ mark })));
    await settled(nc, spy);
    return got.some((m) => m.string().includes(mark));
  };
  return { name: `publish: ${name}`, attempt: by(attacker), control: by(entitled) };
}

/** A subscription that only `entitled` may hold. `speak` sends something to it. */
export function subscribing(
  name: string,
  attacker: NatsConnection,
  entitled: NatsConnection,
  subject: string,
  speak: (mark: string) => Promise<void>,
  queue?: { attacker?: string; entitled?: string },
): Attack {
  const by = (nc: NatsConnection, group: string | undefined) => async () => {
    const mark = newCallId();
    const got = await heard(nc, subject, group, () => speak(mark));
    return got.some((m) => m.string().includes(mark) || m.subject.includes(mark));
  };
  return {
    name: `subscribe: ${name}`,
    attempt: by(attacker, queue?.attacker),
    control: by(entitled, queue?.entitled),
  };
}
