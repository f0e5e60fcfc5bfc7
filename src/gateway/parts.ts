/**
 * Partial outputs and questions on their way to the caller, and what the caller says back. Both pass the gateway that
 * holds the call: it lets through only what the agent with this task says, within the window the caller asked for.
 */
import { headersOf } from '../fabric/raw.js';
import { send } from '../fabric/sender.js';
import type { Msg } from '../fabric/connection.js';
import { sameMac } from '../domain/ticket.js';
import { asMeshError, meshError } from '../wire/errors.js';
import { parse, pattern, subject } from '../wire/generated/subjects.js';
import { header, headerText } from '../wire/headers.js';
import { decodeJson } from '../wire/json.js';
import { limits } from '../wire/limits.js';
import type { Token } from '../wire/names.js';
import { readParts } from '../wire/parts.js';
import type { Attempts } from './attempts.js';
import type { Core } from './core.js';
import { answerOf } from './dispatch.js';
import { effectKey, release, type OpenCall, type OpenSet } from './open.js';
import type { Settler } from './settle.js';

/** What passing on needs. */
export interface PartsParts {
  readonly core: Core;
  readonly open: OpenSet;
  readonly attempts: Attempts;
  readonly settler: Settler;
}

const NUMBER = /^[1-9][0-9]{0,14}$/;

/** Pass on what agents say to this gateway, and what callers say. Returns how to stop. */
export function serveParts(parts: PartsParts): () => void {
  const { nc, name } = parts.core;
  const own = pattern.progress.split('.');
  own[4] = name;
  const hear = (to: string, take: (parts: PartsParts, msg: Msg) => void) =>
    nc.subscribe(to, { callback: (err, msg) => (err === null ? take(parts, msg) : undefined) });
  const subs = [hear(own.join('.'), onProgress), hear(pattern.credit, onCredit)];
  return () => subs.forEach((s) => s.unsubscribe());
}

function onProgress(parts: PartsParts, msg: Msg): void {
  const p = parse.progress(msg.subject);
  const seq = Number(p?.seq);
  const call = parts.open.bySeq(seq);
  const mac = call?.macs.get(seq);
  if (p === undefined || call === undefined || mac === undefined || !sameMac(mac, answerOf(p.agent, p.mac))) {
    return;
  }
  const headers = headersOf(msg);
  const part = headers.get(header.part) ?? '';
  const wish = readParts(call.record.parts ?? '');
  const current = seq === call.seq && call.state === 'dispatched';
  if (!current || wish === undefined || !NUMBER.test(part)) {
    return; // nobody asked for it, or a newer attempt speaks now
  }
  if (call.credit !== undefined && Number(part) > call.credit + wish.window) {
    return; // beyond the window: the agent repeats it when there is room
  }
  const question = headers.get(header.question) !== undefined;
  if (question && !wish.questions) {
    return;
  }
  passOn(parts, call, part, question, msg.data);
}

function passOn(
  { core, attempts, settler }: PartsParts,
  call: OpenCall,
  part: string,
  question: boolean,
  body: Uint8Array,
): void {
  const { from, call: id, agent, attempt } = call.record;
  try {
    decodeJson(body, limits.partBytes);
  } catch (err) {
    const why = asMeshError(err, 'part').sentence;
    release(call);
    return settler.fail(call, 'failed', meshError('part_invalid', { part, agent, why }).toBody());
  }
  if (call.record.idempotent === true) {
    attempts.watch(call); // it works: the time-out of the attempt starts anew
  }
  const to = subject.stream({ from: from as Token, call: id as Token });
  const headers = headerText([
    [header.call, id],
    [header.part, part],
    [header.attempt, attempt],
    [header.question, question ? 1 : undefined],
  ]);
  send(core.nc, to, body, headers);
}

/** Server-written bytes have no headers: they give no credit. */
function onCredit({ core, open }: PartsParts, msg: Msg): void {
  const p = parse.credit(msg.subject);
  const headers = headersOf(msg);
  const part = headers.get(header.part) ?? '';
  const call = p === undefined ? undefined : open.byKey(`${p.from}.${p.call}`);
  if (call === undefined || p === undefined || headers.get(header.call) !== p.call || !NUMBER.test(part)) {
    return;
  }
  const wish = readParts(call.record.parts ?? '');
  const answers = headers.get(header.question) !== undefined;
  if (call.state !== 'dispatched' || wish === undefined || (answers && !isJson(msg.data))) {
    return;
  }
  if (!answers) {
    call.credit = Math.max(call.credit ?? 0, Number(part));
  }
  const to = subject.flow({ agent: call.record.agent as Token, call: p.call as Token });
  const lines = headerText([
    [header.key, effectKey(call)],
    [header.part, part],
    [header.question, answers ? 1 : undefined],
  ]);
  send(core.nc, to, answers ? msg.data : new Uint8Array(0), lines);
}

function isJson(body: Uint8Array): boolean {
  try {
    decodeJson(body, limits.partBytes);
    return true;
  } catch {
    return false;
  }
}
