/**
 * The roster: which instances are alive, how busy they are, and whether they take more. Leases are judged by the
 * time of the last beat on this process's own clock.
 */
import type { Beat } from '../wire/generated/messages.js';
import { limits } from '../wire/limits.js';
import type { Token } from '../wire/names.js';

/** One live instance of an agent. */
export interface Instance {
  readonly agent: Token;
  readonly id: Token;
  /** Its task token. */
  readonly token: Token;
  concurrency: number;
  draining: boolean;
  /** Tasks this process has given it and that are not answered. */
  inFlight: number;
  /** Tasks it works on, by its own last beat. */
  reported: number;
  /** Tasks that it had at its last beat and that this process did not give it. */
  elsewhere: number;
  lastBeatMs: number;
  /** It said busy or was not listening: nothing more until then (process clock, ms). */
  restUntilMs: number;
  /** Capabilities of its agent's card that this instance said it does not serve (a mixed roll-out). */
  unserved: Set<string> | undefined;
}

/** Live instances by agent. */
export class Roster {
  readonly #agents = new Map<Token, Map<Token, Instance>>();
  readonly #tokenFor: (agent: Token, instance: Token) => Token;
  /** Grows when an instance comes or goes. */
  version = 0;

  constructor(tokenFor: (agent: Token, instance: Token) => Token) {
    this.#tokenFor = tokenFor;
  }

  /** Take a beat. Returns the instance, or undefined when the agent has too many. */
  beat(agent: Token, id: Token, beat: Beat, nowMs: number): Instance | undefined {
    let instances = this.#agents.get(agent);
    if (instances === undefined) {
      instances = new Map();
      this.#agents.set(agent, instances);
    }
    let instance = instances.get(id);
    if (instance === undefined) {
      if (instances.size >= limits.instancesPerAgent) {
        return undefined;
      }
      const token = this.#tokenFor(agent, id);
      instance = {
        agent,
        id,
        token,
        concurrency: 1,
        draining: false,
        inFlight: 0,
        reported: 0,
        elsewhere: 0,
        lastBeatMs: 0,
        restUntilMs: 0,
        unserved: undefined,
      };
      instances.set(id, instance);
      this.version++;
    }
    instance.concurrency = beat.concurrency;
    instance.draining = beat.state === 'draining';
    instance.reported = beat.inFlight;
    instance.elsewhere = Math.max(0, beat.inFlight - instance.inFlight);
    instance.lastBeatMs = nowMs;
    instance.restUntilMs = 0;
    return instance;
  }

  /** The instance left on purpose, or its lease lapsed. */
  remove(agent: Token, id: Token): Instance | undefined {
    const instances = this.#agents.get(agent);
    const instance = instances?.get(id);
    if (instances !== undefined && instance !== undefined) {
      instances.delete(id);
      if (instances.size === 0) {
        this.#agents.delete(agent);
      }
      this.version++;
    }
    return instance;
  }

  /** Remove and return the instances whose last beat is older than the lease. */
  expire(nowMs: number): Instance[] {
    const gone: Instance[] = [];
    for (const instances of this.#agents.values()) {
      for (const instance of instances.values()) {
        if (nowMs - instance.lastBeatMs > limits.leaseMs) {
          gone.push(instance);
        }
      }
    }
    for (const instance of gone) {
      this.remove(instance.agent, instance.id);
    }
    return gone;
  }

  /** After this process itself was paused, silence says nothing: every lease starts anew. */
  forgive(nowMs: number): void {
    for (const instances of this.#agents.values()) {
      for (const instance of instances.values()) {
        instance.lastBeatMs = nowMs;
      }
    }
  }

  /** How many instances are alive. */
  get size(): number {
    let size = 0;
    this.#agents.forEach((instances) => (size += instances.size));
    return size;
  }

  /** One instance. */
  get(agent: string, id: string): Instance | undefined {
    return this.#agents.get(agent as Token)?.get(id as Token);
  }

  /** Live instances of an agent. */
  of(agent: Token): Instance[] {
    return [...(this.#agents.get(agent)?.values() ?? [])];
  }

  /** True when at least one instance of the agent is alive. */
  alive(agent: Token): boolean {
    return this.#agents.has(agent);
  }
}

/** May the instance be given a task of this capability now? */
export function isFree(i: Instance, capability: string, nowMs: number): boolean {
  return (
    !i.draining &&
    i.inFlight < i.concurrency &&
    i.restUntilMs <= nowMs &&
    i.unserved?.has(capability) !== true
  );
}

/** Is it full by its own word: tasks of other gateways counted? It may have ended some since. */
export function isFull({ inFlight, elsewhere, concurrency }: Instance): boolean {
  return inFlight + elsewhere >= concurrency;
}
