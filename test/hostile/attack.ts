/**
 * An attack as data: who tries what, what stops it, and three ways to see that: the attempt itself, the same step by
 * whoever may take it, and, where it can be shown, the same attempt where nothing stops it.
 */
import type { World } from './world.js';

/** Where the attacker stands. What each holds is told in docs/security.md. */
export const positions = {
  outsider: 'no credentials',
  caller: 'the credentials of a caller',
  agent: 'the credentials of an agent',
  pair: 'two members who work together',
  stolen: 'something that was stolen: a token, a grant, a ticket, a secret',
  former: 'what was good once: revoked, expired, replaced',
  approver: 'the credentials of somebody who approves, or says so',
  operator: 'the credentials of an operator or a viewer',
  reader: 'a login on the machine, and nothing else',
} as const;

export type Position = keyof typeof positions;

/** Which part says no. */
export const enforcers = {
  broker: 'the server, by its configuration, permissions and streams',
  identity: 'the identity processes, which the server asks who connects',
  gateway: 'the gateways, before a call is decided or a result is taken',
  control: 'control, before it writes or tells anything',
  agent: 'the SDK, in the process of an agent or a caller',
  host: 'file modes and what is written where',
} as const;

export type Enforcer = keyof typeof enforcers;

/** The same attempt where its mechanism is missing. */
export interface Naive {
  /** What the naive configuration lacks, in a few words. */
  readonly where: string;
  /** True when the attack works there, as it must. */
  readonly attempt: (w: World) => Promise<boolean>;
}

export interface Attack {
  /** Stable; lowercase words and dashes. */
  readonly id: string;
  readonly position: Position;
  /** One sentence. */
  readonly attack: string;
  /** What stops it: no two attacks say the same. */
  readonly mechanism: string;
  readonly enforcedBy: Enforcer;
  /** True when the attack had its effect, as victim, streams and registers have it. */
  readonly attempt: (w: World) => Promise<boolean>;
  /** True when the same step works for whoever may take it, judged the same way. */
  readonly control: (w: World) => Promise<boolean>;
  /** `open broker`: the very same attempt in a mesh whose server lets members say and hear everything. */
  readonly naive?: 'open broker' | Naive;
}

/** True when one of these is. All of them are tried, one after the other. */
export async function anyOf<T>(list: Iterable<T>, each: (one: T) => Promise<boolean>): Promise<boolean> {
  let any = false;
  for (const one of list) {
    any = (await each(one)) || any;
  }
  return any;
}

/** True when all of these are, and there is at least one. */
export async function allOf<T>(list: Iterable<T>, each: (one: T) => Promise<boolean>): Promise<boolean> {
  let count = 0;
  for (const one of list) {
    if (!(await each(one))) {
      return false;
    }
    count++;
  }
  return count > 0;
}
