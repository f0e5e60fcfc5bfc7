/**
 * Trace context (W3C `traceparent`, `tracestate`), and how a call without one gets one.
 *
 * A call id has 128 bits, as a trace id has. So a root call that brings no trace makes its own: its id, written in hex,
 * is the trace id, and the last 64 bits of any call id are the span of that call. Whoever knows a call id knows where to
 * look, and every gateway and every SDK comes to the same answer without asking.
 */
import { header, type HeaderBlock } from './headers.js';
import { isCallId } from './ulid.js';

/** The trace a call belongs to. */
export interface Trace {
  /** 32 hex digits. */
  readonly id: string;
  /** Span of whoever called, 16 hex digits; missing when the trace begins here. */
  readonly from?: string;
  readonly sampled: boolean;
  /** `tracestate`, handed on as it came. */
  readonly state?: string;
}

/** Span of the call itself, as its task is told: 16 hex digits. */
export type Span = string;

const PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const STATE = /^[\x20-\x7e]{1,512}$/;
const NO_TRACE = '0'.repeat(32);
const NO_SPAN = '0'.repeat(16);

/** What a `traceparent` says. Malformed is undefined: a bad header costs its sender the trace and nothing else. */
export function parseTraceparent(text: string | undefined): Trace | undefined {
  const found = text === undefined || text.length > 512 ? null : PARENT.exec(text);
  if (found === null) {
    return undefined;
  }
  const [, version, id = NO_TRACE, from = NO_SPAN, flags = '00', rest] = found;
  // Version 00 has exactly four fields, later ones may have more; ff is none.
  if (version === 'ff' || (version === '00' && rest !== undefined) || id === NO_TRACE || from === NO_SPAN) {
    return undefined;
  }
  return { id, from, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** The trace in the headers of a message of any client, or undefined. */
export function readTrace(headers: Pick<HeaderBlock, 'get'>): Trace | undefined {
  // Some clients write every header with a capital.
  const trace = parseTraceparent(headers.get(header.traceparent) ?? headers.get('Traceparent'));
  const state =
    trace === undefined ? undefined : (headers.get(header.tracestate) ?? headers.get('Tracestate'));
  return trace === undefined || state === undefined || !STATE.test(state) ? trace : { ...trace, state };
}

/** The `traceparent` that says: this trace, called by this span. */
export function traceparentOf(id: string, span: Span, sampled: boolean): string {
  return `00-${id}-${span}-${sampled ? '01' : '00'}`;
}

/** The trace of a call that brought none, made from the call id of its root; undefined when it is not sampled. */
export function ownTrace(rootCall: string, ratio: number): Trace | undefined {
  const id = isSampled(rootCall, ratio) ? traceIdOf(rootCall) : undefined;
  return id === undefined ? undefined : { id, sampled: true };
}

/** The trace id of a call whose record says `trace` (a traceparent), or, where it says none, of its own root. */
export function traceOf({
  root,
  trace,
}: {
  readonly root: string;
  readonly trace?: string;
}): string | undefined {
  return trace === undefined ? traceIdOf(idIn(root)) : trace.slice(3, 35);
}

/** The `traceparent` of a call whose task carries none: its trace begins with its root, `from.call`, and is not sampled. */
export function unsampledParent(root: string, call: string): string | undefined {
  const [id, span] = [traceIdOf(idIn(root)), spanOf(call)];
  return id === undefined || span === undefined ? undefined : traceparentOf(id, span, false);
}

/** The call id in `from.call`. */
export function idIn(key: string): string {
  return key.slice(key.indexOf('.') + 1);
}

/** The trace id that a call id makes, or undefined when it is no call id. */
export function traceIdOf(call: string): string | undefined {
  if (call !== last.call) {
    last = { call, id: hexOf(call) };
  }
  return last.id;
}

/** The same id is asked for several times in a row while a call is decided. */
let last: { readonly call: string; readonly id: string | undefined } = { call: '', id: undefined };

function hexOf(call: string): string | undefined {
  if (!isCallId(call)) {
    return undefined;
  }
  // The first two digits hold 8 bits, each four of the others 20.
  let hex = hexByte(bits(call, 0, 2));
  for (let at = 2; at < 26; at += 4) {
    const value = bits(call, at, at + 4);
    hex += hexByte(value >> 12) + (HEX_12[value & 0xfff] ?? '');
  }
  return hex === NO_TRACE ? undefined : hex;
}

/** The span of a call: the last half of what its id says in hex. */
export function spanOf(call: string): Span | undefined {
  const span = traceIdOf(call)?.slice(16);
  return span === NO_SPAN ? undefined : span;
}

/**
 * Is the trace that this call begins among the sampled, `ratio` (0–1) of all? The same answer everywhere: the last 32 bits
 * of the id decide, which are chance.
 */
export function isSampled(call: string, ratio: number): boolean {
  return bits(call, call.length - 8, call.length) % 0x1_0000_0000 < ratio * 0x1_0000_0000;
}

/** Two hex digits. A table is several times as fast as `toString(16)`, and every call needs one. */
export function hexByte(value: number): string {
  return HEX_8[value & 0xff] ?? '';
}

const HEX_8 = Array.from({ length: 0x100 }, (_, n) => n.toString(16).padStart(2, '0'));
const HEX_12 = Array.from({ length: 0x1000 }, (_, n) => n.toString(16).padStart(3, '0'));
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const VALUES = new Uint8Array(128);
[...DIGITS].forEach((digit, value) => (VALUES[digit.charCodeAt(0)] = value));

function bits(text: string, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i++) {
    value = value * 32 + (VALUES[text.charCodeAt(i)] ?? 0);
  }
  return value;
}
