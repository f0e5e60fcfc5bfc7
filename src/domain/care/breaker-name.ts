/**
 * What a breaker is called: whom it is about, and for whom it opened.
 */
import type { ScopeKind } from './behind.js';

/** Whom a breaker is about. */
export interface BreakerName {
  readonly agent: string;
  readonly capability: string;
  readonly kind: ScopeKind;
  /** The agent that calls, or the principal; empty for `any`. */
  readonly name: string;
}

const LETTERS: Readonly<Record<ScopeKind, string>> = { any: 'any', from: 'f_', principal: 'p_' };

/** The key of a breaker in the store. */
export function breakerKey({ agent, capability, kind, name }: BreakerName): string {
  return `${LETTERS[kind]}${name}.${agent}.${capability}`;
}

/** Whom the key is about; undefined when it is none of ours. */
export function readBreakerKey(key: string): BreakerName | undefined {
  const [scope = '', agent = '', ...rest] = key.split('.');
  const kind =
    scope === LETTERS.any
      ? 'any'
      : (['from', 'principal'] as const).find((one) => scope.startsWith(LETTERS[one]));
  const capability = rest.join('.');
  return kind === undefined || agent === '' || capability === ''
    ? undefined
    : { agent, capability, kind, name: kind === 'any' ? '' : scope.slice(2) };
}
