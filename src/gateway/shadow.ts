/**
 * A candidate policy beside the live one: calls are judged by both, and the differences are counted. The live verdict
 * is made and acted on first. What the candidate says decides nothing, and judging it takes a bounded part of the time
 * and of the memory: calls beyond that are only counted.
 */
import type { ChainVerdict } from '../chain/chain.js';
import type { Draft } from '../chain/draft.js';
import { candidateSaid, liveSaid } from '../chain/shadow.js';
import { Newest } from '../domain/newest.js';
import type { PolicyData } from '../domain/policy-data.js';
import type { Policy } from '../domain/policy.js';
import { Differences, type Said, type ShadowReport } from '../domain/shadow.js';
import { eventLoop } from '../fabric/event-loop.js';
import { watchShadow, type StoredShadow } from '../fabric/policy-store.js';
import { pattern } from '../wire/generated/subjects.js';
import { limits } from '../wire/limits.js';
import type { Core, ShadowJudge } from './core.js';
import { compileStored } from './policy.js';

interface Judged {
  /** A copy: the call goes on with the draft itself. */
  readonly draft: Draft;
  readonly live: Said;
  readonly policy: string;
}

/** One candidate. */
export class Shadow implements ShadowJudge {
  readonly #core: Core;
  readonly #policy: Policy;
  readonly #share: number;
  #counts: Differences;
  #waiting: Judged[] = [];
  #bytes = 0;
  #busy = false;

  constructor(core: Core, policy: Policy, share: number) {
    this.#core = core;
    this.#policy = policy;
    this.#share = share;
    this.#counts = this.#fresh();
  }

  /** The live policy has spoken. Costs a copy of the draft; the candidate is asked later. */
  judged(draft: Draft, verdict: ChainVerdict): void {
    const live = this.#share >= 1 || Math.random() < this.#share ? liveSaid(draft, verdict) : undefined;
    if (live === undefined) {
      return;
    }
    const full = this.#waiting.length >= limits.shadowWaiting || this.#bytes > limits.shadowBytes;
    if (full) {
      this.#counts.skipped++;
      return;
    }
    this.#waiting.push({ draft: { ...draft }, live, policy: this.#core.policy.digest });
    this.#bytes += draft.body.length;
    if (!this.#busy) {
      this.#busy = true;
      setImmediate(() => this.#work());
    }
  }

  /** What was counted with the live policy of now. */
  report(): ShadowReport {
    return this.#counts.report();
  }

  #fresh(): Differences {
    return new Differences(this.#core.policy.digest, this.#policy.digest, Date.now());
  }

  /** A slice, and then a rest that keeps it below its part of the time. */
  #work(): void {
    const began = performance.now();
    let at = 0;
    while (at < this.#waiting.length && performance.now() - began < limits.shadowSliceMs) {
      this.#compare(this.#waiting[at++] as Judged);
    }
    this.#waiting = this.#waiting.slice(at);
    if (this.#waiting.length === 0) {
      this.#busy = false;
      return;
    }
    const restMs = (performance.now() - began) * (100 / limits.shadowPercent - 1);
    setTimeout(() => this.#work(), restMs).unref();
  }

  #compare({ draft, live, policy }: Judged): void {
    this.#bytes -= draft.body.length;
    const { digest } = this.#core.policy;
    if (this.#counts.live !== digest) {
      this.#counts = this.#fresh();
    }
    if (policy !== digest) {
      return; // the live policy has changed meanwhile
    }
    const said = this.#ask(draft);
    if (said === undefined) {
      this.#counts.unjudged++;
    } else {
      const { who: from, what: capability, id: call } = draft;
      this.#counts.add({ from, capability, call }, live, said, draft.nowMs);
    }
  }

  /** Nothing that goes wrong here may reach the gateway. */
  #ask(draft: Draft): Said | undefined {
    try {
      return candidateSaid(draft, this.#core, this.#policy);
    } catch (err) {
      this.#core.log.debug({ err: String(err) }, 'the candidate policy could not be asked');
      return undefined;
    }
  }
}

/** Follow the candidate of the mesh, and tell control what was counted. Returns how to stop. */
export async function followShadow(core: Core): Promise<() => void> {
  const newest = new Newest<StoredShadow<PolicyData> | undefined>(
    (stored) => replace(core, stored),
    eventLoop,
  );
  const stopWatch = await watchShadow<PolicyData>(core.nc, (stored) => newest.offer(stored));
  const sub = core.nc.subscribe(pattern.shadow, {
    callback: (err, msg) => {
      const report = core.shadow?.report();
      if (err === null && msg.reply !== undefined && report !== undefined) {
        core.nc.publish(msg.reply, JSON.stringify(report));
      }
    },
  });
  return () => {
    core.shadow = undefined;
    stopWatch();
    sub.unsubscribe();
  };
}

async function replace(core: Core, stored: StoredShadow<PolicyData> | undefined): Promise<void> {
  core.shadow = undefined;
  if (stored === undefined) {
    return;
  }
  try {
    core.shadow = new Shadow(core, await compileStored(stored, core.policy), stored.share);
    core.log.info({ candidate: stored.digest }, 'a candidate policy is judged beside the live one');
  } catch (err) {
    core.log.error({ err: String(err) }, 'the candidate policy is refused; it is judged by nobody');
  }
}
