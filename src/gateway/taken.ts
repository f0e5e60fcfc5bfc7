/**
 * Tells agents which of their results are safe, in batches: an agent keeps a result until its outcome is durable.
 */
import { rawHeaders } from '../fabric/raw.js';
import { subject } from '../wire/generated/subjects.js';
import { encodeHeaders, header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Token } from '../wire/names.js';
import type { Core } from './core.js';
import type { OpenCall } from './open.js';

const MAX_SEQS = 4096;

/** Collects and sends. */
export class Taken {
  readonly #core: Core;
  readonly #pending = new Map<string, number[]>();
  #timer: NodeJS.Timeout | undefined;

  constructor(core: Core) {
    this.#core = core;
  }

  /** The outcome of this call is durable. */
  add(call: OpenCall): void {
    const { agent, instance } = call.record;
    if (instance !== undefined) {
      this.tell(agent, instance, [...call.macs.keys()]);
    }
    call.earlier?.forEach((before, seq) => {
      if (before.instance !== undefined && before.instance !== instance) {
        this.tell(before.agent, before.instance, [seq]);
      }
    });
  }

  /** These decisions need no result any more. */
  tell(agent: string, instance: string, seqs: readonly number[]): void {
    const to = subject.taken({ agent: agent as Token, instance: instance as Token });
    const list = this.#pending.get(to);
    if (list === undefined) {
      this.#pending.set(to, [...seqs]);
    } else {
      list.push(...seqs);
    }
    this.#timer ??= setTimeout(() => this.flush(), limits.takenFlushMs);
  }

  /** Send what is collected. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#core.nc.isClosed()) {
      return this.#pending.clear(); // an outcome that became durable while this gateway left: the agent says it again
    }
    const headers = rawHeaders(encodeHeaders([[header.instance, this.#core.name]]));
    for (const [to, seqs] of this.#pending) {
      for (let i = 0; i < seqs.length; i += MAX_SEQS) {
        this.#core.nc.publish(to, JSON.stringify({ seqs: seqs.slice(i, i + MAX_SEQS) }), { headers });
      }
    }
    this.#pending.clear();
  }
}
