/**
 * The breakers that are not simply closed, as one gateway knows them, found by whom they are about.
 */
import type { BreakerRecord } from './breaker.js';
import type { BreakerName } from './breaker-name.js';
import type { Behind } from './behind.js';

/** What a probe found, and whose call it was; `nothing`: it says nothing of the agent. */
export type ProbeEnd = 'nothing' | { readonly well: boolean; readonly prober: string };

/** The right to send the one probe. */
export interface Permit {
  /** Instant (own clock) until which a call may take it. */
  readonly untilMs: number;
  /** Others than the last one whose probe failed go first, until then. */
  readonly rotateMs: number;
  /** The decision that is the probe. */
  nonce: string | undefined;
  takenMs: number;
  renewedMs: number;
  /** What the probe found, while that is not stored. */
  end: ProbeEnd | undefined;
}

/** One breaker. */
export interface Kept extends BreakerName {
  readonly key: string;
  record: BreakerRecord;
  /** Of what stands in the store. */
  revision: number;
  /** Since when it counts here. */
  heardMs: number;
  /** A change of this gateway is on its way to the store. */
  putting: boolean;
  /** When somebody was turned away last. */
  wantedMs: number;
  /** This gateway leaves the probe to others until then. */
  restMs: number;
  permit: Permit | undefined;
}

type ByScope = Map<string, Kept>;

/** Breakers by key, and by capability, agent and scope. */
export class BreakerIndex {
  readonly #kept = new Map<string, Kept>();
  readonly #tree = new Map<string, Map<string, ByScope>>();

  get size(): number {
    return this.#kept.size;
  }

  /** Is there any of the capability? */
  has(capability: string): boolean {
    return this.#tree.has(capability);
  }

  get(key: string): Kept | undefined {
    return this.#kept.get(key);
  }

  all(): IterableIterator<Kept> {
    return this.#kept.values();
  }

  add(kept: Kept): void {
    this.#kept.set(kept.key, kept);
    const agents = this.#tree.get(kept.capability) ?? new Map<string, ByScope>();
    const scopes: ByScope = agents.get(kept.agent) ?? new Map<string, Kept>();
    this.#tree.set(kept.capability, agents.set(kept.agent, scopes.set(scopeOf(kept), kept)));
  }

  delete(kept: Kept): void {
    this.#kept.delete(kept.key);
    const agents = this.#tree.get(kept.capability);
    const scopes = agents?.get(kept.agent);
    scopes?.delete(scopeOf(kept));
    if (scopes?.size === 0) {
      agents?.delete(kept.agent);
    }
    if (agents?.size === 0) {
      this.#tree.delete(kept.capability);
    }
  }

  /** Those that concern a call of these callers to this agent: where it is out for all, that alone counts. */
  of(agent: string, capability: string, { from, principal }: Behind): Kept[] {
    const scopes = this.#tree.get(capability)?.get(agent);
    if (scopes === undefined) {
      return [];
    }
    const any = scopes.get('');
    return any !== undefined && any.record.state !== 'closed'
      ? [any]
      : ['', `from ${from}`, `principal ${principal}`].flatMap((scope) => scopes.get(scope) ?? []);
  }

  /** Is any breaker of the same agent and capability probed now, as far as is known here? */
  isProbed({ agent, capability }: BreakerName): boolean {
    const scopes = this.#tree.get(capability)?.get(agent)?.values() ?? [];
    return [...scopes].some(({ record }) => record.state === 'half-open');
  }

  /** For which principals it is out, by what was seen and not by an operator, and which agent called for them. */
  outFor({ agent, capability }: Pick<BreakerName, 'agent' | 'capability'>): Behind[] {
    const scopes = this.#tree.get(capability)?.get(agent)?.values() ?? [];
    return [...scopes].flatMap(({ kind, name, record }) =>
      kind === 'principal' && record.state !== 'closed' && record.forced === undefined
        ? [{ principal: name, from: record.why?.via ?? name }]
        : [],
    );
  }

  /** The others of the same agent and capability. */
  beside(kept: Kept): Kept[] {
    const scopes = this.#tree.get(kept.capability)?.get(kept.agent)?.values() ?? [];
    return [...scopes].filter((other) => other !== kept);
  }
}

function scopeOf({ kind, name }: BreakerName): string {
  return kind === 'any' ? '' : `${kind} ${name}`;
}
