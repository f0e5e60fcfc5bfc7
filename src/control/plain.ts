/**
 * Plain responders: agents without the SDK. They are registered by command and count as alive while a connection of
 * theirs holds the task subscription; control beats on their behalf.
 */
import { rawHeaders } from '../fabric/raw.js';
import { kvGet, kvPut } from '../fabric/streams.js';
import { removeCard } from '../fabric/cards.js';
import { taskToken } from '../domain/ticket.js';
import { meshError } from '../wire/errors.js';
import { subject } from '../wire/generated/subjects.js';
import type { Admin, Beat } from '../wire/generated/messages.js';
import { encodeHeaders, header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import { asToken, type Token } from '../wire/names.js';
import type { Control } from './core.js';
import { readCard, register } from './registrar.js';

/** Instance id of every plain responder: its replicas share one token and the queue group tells them apart. */
const PLAIN = 'plain' as Token;
const QUEUE = 'mesh';

/** What the broker tells of a connection. */
interface Connection {
  authorized_user?: string;
  subscriptions_list_detail?: { subject: string; qgroup?: string }[];
}

/** Watch the connections of plain responders. Returns how to stop. */
export function watchPlain(control: Control): () => void {
  const timer = setInterval(() => {
    if (control.leads()) {
      beatForAll(control).catch((err: unknown) =>
        control.log.warn({ err: String(err) }, 'connections could not be read'),
      );
    }
  }, limits.beatMs);
  return () => clearInterval(timer);
}

/** Register a plain responder. The reply tells the subject to subscribe, in the queue group `mesh`. */
export async function addPlain(control: Control, admin: Admin): Promise<object> {
  const agent = asToken(admin.agent, 'agent');
  const card = { ...readCard(agent, Buffer.from(JSON.stringify(admin.card ?? {}))), plain: true };
  await register(control, agent, card);
  await kvPut(control.nc, 'mesh_registry', `user.${agent}`, admin.user ?? '');
  const token = taskToken(control.ring, agent, PLAIN);
  return {
    agent,
    queue: QUEUE,
    subjects: card.capabilities.map((c) => ({
      capability: c.name,
      subject: `mesh.v1.task.${agent}.${token}.${c.name}`,
    })),
  };
}

/** Forget an agent's card. Throws not_found. */
export async function forget(control: Control, admin: Admin): Promise<object> {
  const agent = asToken(admin.agent, 'agent');
  if (control.registry.agent(agent) === undefined) {
    throw meshError('not_found', { what: 'the agent', name: agent });
  }
  await removeCard(control.nc, agent);
  return { agent, forgotten: true };
}

async function beatForAll(control: Control): Promise<void> {
  for (const { agent, card } of control.registry.agents()) {
    if (card.plain === true) {
      await beatFor(control, agent, card.concurrency);
    }
  }
}

async function beatFor(control: Control, agent: Token, concurrency: number): Promise<void> {
  const user = await kvGet(control.nc, 'mesh_registry', `user.${agent}`);
  const prefix = `mesh.v1.task.${agent}.`;
  const request = JSON.stringify({ auth: true, subscriptions_detail: true, user });
  const reply = await control.nc.request('$SYS.REQ.ACCOUNT.PING.CONNZ', request, { timeout: 1_000 });
  const { data } = reply.json<{ data?: { connections?: Connection[] } }>();
  const listens = (data?.connections ?? []).some(
    (c) =>
      c.authorized_user === user &&
      c.subscriptions_list_detail?.some((s) => s.subject.startsWith(prefix) && s.qgroup === QUEUE),
  );
  if (listens) {
    const beat: Beat = { state: 'ready', inFlight: 0, concurrency };
    const headers = rawHeaders(encodeHeaders([[header.instance, PLAIN]]));
    control.nc.publish(subject.beat({ agent, instance: PLAIN }), JSON.stringify(beat), { headers });
  }
}
