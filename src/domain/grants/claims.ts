/**
 * What a link of a grant says, and reading it. Every word is known, every value checked, everything has a bound; a
 * word that is not known is refused, because a limit that nobody understands would be none.
 */
import { meshError } from '../../wire/errors.js';
import { limits } from '../../wire/limits.js';
import { isPattern, isToken } from '../../wire/names.js';
import { publicKeyBytes } from '../../wire/nkey.js';
import type { Constraint } from './arguments.js';
import { readConstraints } from './read-constraints.js';

/** What may be done: what a card calls read-only, what may be repeated harmlessly, and everything else. */
export const actions = ['read', 'write', 'execute'] as const;
/** One of them. */
export type Action = (typeof actions)[number];

/** The claims of one link. What is missing is not limited; a delegation must repeat every limit of its parent. */
export interface Claims {
  /** The id of this link. */
  readonly jti: string;
  /** Who signed it: the name of the issuer, in a delegation that of the holder of its parent. */
  readonly iss: string;
  /** The principal: on whose authority all of it stands. The same in every link. */
  readonly sub: string;
  /** The holder: who may use it, and delegate it. */
  readonly delegatee: string;
  /** The public key of the holder, as an nkey. */
  readonly cnf: { readonly kid: string };
  /** When it was made, from when on and until when it can be used: seconds since 1970. */
  readonly iat: number;
  readonly nbf?: number;
  readonly exp: number;
  /** Capability patterns. */
  readonly can: readonly string[];
  readonly actions: readonly Action[];
  readonly args?: readonly Constraint[];
  /** Labels that a call must have, each with the values it may have. */
  readonly labels?: Readonly<Record<string, readonly string[]>>;
  /** Whole amounts by unit. */
  readonly budget?: Readonly<Record<string, number>>;
  /** Instant in epoch ms after which nothing runs under it. */
  readonly deadline?: number;
  /** How many delegations may follow. */
  readonly depth: number;
  /** May calls without a ticket be made with it? */
  readonly root: boolean;
  /** In a delegation: SHA-256 (base64url) of the link before it. */
  readonly prf?: string;
}

const KEYS = new Set([
  ...['jti', 'iss', 'sub', 'delegatee', 'cnf', 'iat', 'nbf', 'exp', 'can', 'actions'],
  ...['args', 'labels', 'budget', 'deadline', 'depth', 'root', 'prf'],
]);
const DIGEST = /^[A-Za-z0-9_-]{43}$/;
const LABEL = /^[\x20-\x2b\x2d-\x7e]{1,128}$/;

/** Read the claims of a link (counted from 1). Throws grant_unreadable, grant_too_large. */
export function readClaims(value: unknown, link: number): Claims {
  const refuse = (dimension: string, why: string): never => {
    throw meshError('grant_unreadable', { link, dimension, why });
  };
  const claims = asMap(value) ?? refuse('form', 'it is not a JSON object');
  const strange = Object.keys(claims).find((key) => !KEYS.has(key));
  if (strange !== undefined) {
    refuse('form', `there is no claim ${JSON.stringify(strange.slice(0, 40))}`);
  }
  readWho(claims, refuse);
  readWhen(claims, refuse);
  readWhat(claims, link, refuse);
  const { depth, root, prf } = claims;
  if (!isWhole(depth) || depth >= limits.grantLinks) {
    refuse('depth', `it is not a whole number from 0 to ${limits.grantLinks - 1}`);
  }
  if (typeof root !== 'boolean') {
    refuse('root', 'it is not true or false');
  }
  if (prf !== undefined && (typeof prf !== 'string' || !DIGEST.test(prf))) {
    refuse('parent', 'prf is not a SHA-256 in base64url');
  }
  return claims as unknown as Claims;
}

/** How a reader says no. */
export type Refuse = (dimension: string, why: string) => never;
type Loose = Readonly<Record<string, unknown>>;

function readWho({ jti, iss, sub, delegatee, cnf }: Loose, refuse: Refuse): void {
  if (!isToken(jti)) {
    refuse('id', 'jti is not 1 to 64 of a-z 0-9 _ -');
  }
  if (!isToken(iss)) {
    refuse('issuer', 'iss is not a name');
  }
  if (!isToken(sub)) {
    refuse('principal', 'sub is not a name');
  }
  if (!isToken(delegatee)) {
    refuse('delegatee', 'it is not a name');
  }
  const { kid, ...rest } = asMap(cnf) ?? {};
  if (typeof kid !== 'string' || publicKeyBytes(kid) === undefined || Object.keys(rest).length > 0) {
    refuse('key', 'cnf is not {"kid": the public nkey of the holder}');
  }
}

function readWhen({ iat, nbf, exp, deadline }: Loose, refuse: Refuse): void {
  if (!isWhole(iat)) {
    refuse('start', 'iat is not a whole number of seconds');
  }
  if (nbf !== undefined && !isWhole(nbf)) {
    refuse('start', 'nbf is not a whole number of seconds');
  }
  if (!isWhole(exp) || exp <= (iat as number)) {
    refuse('expiry', 'exp is not a whole number of seconds after iat');
  }
  if (((exp as number) - (iat as number)) * 1_000 > limits.grantLifeMs) {
    refuse('expiry', `it lives longer than ${limits.grantLifeMs} ms`);
  }
  if (deadline !== undefined && !isWhole(deadline)) {
    refuse('deadline', 'it is not an instant in epoch ms');
  }
}

function readWhat(claims: Loose, link: number, refuse: Refuse): void {
  const most = (dimension: string, have: number, max: number): void => {
    if (have > max) {
      throw meshError('grant_too_large', { link, dimension, have, max });
    }
  };
  const { can, actions: acts, args, labels, budget } = claims;
  if (!isTexts(can) || can.length === 0 || !can.every(isPattern)) {
    refuse('capabilities', 'can is not a list of capability patterns');
  }
  most('capabilities', (can as string[]).length, limits.grantPatterns);
  const known =
    isTexts(acts) && acts.length > 0 && acts.every((a) => (actions as readonly string[]).includes(a));
  if (!known || new Set(acts as string[]).size !== (acts as string[]).length) {
    refuse('actions', `it is not a list of ${actions.join(', ')}, each at most once`);
  }
  if (args !== undefined) {
    const list: readonly unknown[] = Array.isArray(args) ? args : refuse('arguments', 'args is not a list');
    most('arguments', list.length, limits.grantConstraints);
    readConstraints(list, refuse);
  }
  if (labels !== undefined) {
    const entries = Object.entries(asMap(labels) ?? refuse('labels', 'it is not a map'));
    most('labels', entries.length, limits.grantLabels);
    if (!entries.every(([key, list]) => isToken(key) && isValues(list))) {
      refuse('labels', 'it does not map names to lists of texts that a label may have');
    }
  }
  if (budget !== undefined) {
    const entries = Object.entries(asMap(budget) ?? refuse('budget', 'it is not a map'));
    most('budget', entries.length, limits.grantBudgets);
    if (!entries.every(([unit, amount]) => isToken(unit) && isWhole(amount))) {
      refuse('budget', 'it does not map units to whole amounts');
    }
  }
}

function isValues(list: unknown): boolean {
  return (
    isTexts(list) && list.length > 0 && list.length <= limits.grantValues && list.every((v) => LABEL.test(v))
  );
}

function asMap(value: unknown): Loose | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Loose) : undefined;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
