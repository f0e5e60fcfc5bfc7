/**
 * Dispatch: the task goes to the agent. Only a durable decision gets here.
 */
import { send } from '../fabric/sender.js';
import { parseBodyRef, sealBodyRef } from '../domain/body-ref.js';
import { sealTicket } from '../domain/ticket.js';
import type { Instance } from '../domain/roster.js';
import { contentTypes } from '../wire/content.js';
import { subject } from '../wire/generated/subjects.js';
import { header, headerBlock, headerLine } from '../wire/headers.js';
import type { Capability, Token } from '../wire/names.js';
import type { Core } from './core.js';
import { effectKey, type OpenCall } from './open.js';

/** What a result must show: the agent it was given to, and the mac that only that agent was told. */
export function answerOf(agent: string, mac: string): string {
  return `${agent}.${mac}`;
}

/** The same body for another reader. The reference was proven when it was taken; now it stands in our own record. */
export function refFor(core: Core, bodyRef: string, reader: Token): string {
  const ref = parseBodyRef(bodyRef);
  return ref === undefined ? bodyRef : sealBodyRef(core.ring, 'read', { ...ref, reader });
}

/** Send the task of the newest decision to the instance that holds it. */
export function dispatch(core: Core, call: OpenCall, instance: Instance): void {
  const r = call.record;
  const sealed = sealTicket(core.ring, r, call.seq);
  call.macs.set(call.seq, answerOf(r.agent, sealed.resultMac));
  call.state = 'dispatched';
  call.undispatched = false;
  call.dispatchedMs = performance.now();
  const to = subject.task({
    agent: instance.agent,
    token: instance.token,
    capability: r.capability as Capability,
  });
  const reply = subject.result({
    agent: instance.agent,
    gateway: core.name,
    seq: call.seq,
    mac: sealed.resultMac as Token,
  });
  const headers = headerBlock(
    headerLine(header.call, r.call) +
      headerLine(header.deadline, r.deadline) +
      headerLine(header.key, effectKey(call)) +
      headerLine(header.ticket, sealed.text) +
      (r.type === undefined ? '' : headerLine(header.contentType, contentTypes[r.type])) +
      (r.bodyRef === undefined ? '' : headerLine(header.bodyRef, refFor(core, r.bodyRef, instance.agent))) +
      (r.parts === undefined ? '' : headerLine(header.parts, r.parts)) +
      (r.trace === undefined ? '' : headerLine(header.traceparent, r.trace)) +
      (r.traceState === undefined ? '' : headerLine(header.tracestate, r.traceState)),
  );
  send(core.nc, to, call.body, headers, reply);
}
