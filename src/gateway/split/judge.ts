/**
 * The chain of a gateway some of whose stages are judged by interceptors: part after part, with a question in between.
 *
 * A decision names one version of the policy. So each stage is asked under the version that this gateway has; when
 * either side learns of another one meanwhile, the call goes through the chain again from its beginning. What is not
 * proven in time is refused (D10).
 */
import { draftOf, type Draft, type Incoming } from '../../chain/draft.js';
import type { ChainVerdict } from '../../chain/chain.js';
import { checkOf } from '../../chain/known.js';
import { takeAnswer } from '../../chain/proven.js';
import { partsOf, runParts, type ChainPart, type Step } from '../../chain/split.js';
import { deny, type Verdict } from '../../chain/verdict.js';
import { meshError } from '../../wire/errors.js';
import { header } from '../../wire/headers.js';
import { limits } from '../../wire/limits.js';
import type { Stage } from '../../wire/stages.js';
import { Histogram } from '../../sight/histogram.js';
import { carried } from '../carried.js';
import type { Core } from '../core.js';
import { Asker, type Heard } from './asker.js';

/** Hears what the chain says; the draft is the one that it speaks of. */
export type Judged = (draft: Draft, verdict: ChainVerdict) => void;

interface Going {
  readonly draft: Draft;
  readonly untilMs: number;
  readonly beganMs: number;
  readonly done: Judged;
  readonly waited: boolean;
}

/** Runs the chain in parts. */
export class SplitChain {
  readonly #core: Core;
  readonly #parts: readonly ChainPart[];
  readonly #asker: Asker;
  /** Time of each stage as the gateway sees it: the hops and the guards. */
  readonly times: ReadonlyMap<string, Histogram>;
  /** Calls that a stage did not judge in time, since the start. */
  readonly unproven = new Map<Stage, number>();
  readonly stages: readonly Stage[];
  /** Calls under way that have waited before, by capability. */
  readonly #retries = new Map<string, number>();
  #going = 0;

  constructor(core: Core, stages: readonly Stage[]) {
    this.#core = core;
    this.stages = stages;
    this.#parts = partsOf(stages);
    this.#asker = new Asker(core, stages);
    this.times = new Map(stages.map((stage) => [stage, new Histogram()]));
  }

  /** Hear answers. */
  start(): Promise<void> {
    return this.#asker.start();
  }

  /** Stages that nobody listens for. */
  get absent(): readonly Stage[] {
    return this.#asker.absent;
  }

  /** Ask no more; what is under way is refused. */
  stop(): void {
    this.#asker.stop();
  }

  /** Calls that are being judged elsewhere. */
  get size(): number {
    return this.#going;
  }

  /** Judge a call. What can be said at once is the answer, else `done` hears it later. `waited`: it was held before. */
  judge(draft: Draft, waited: boolean, done: Judged): ChainVerdict | undefined {
    const beganMs = performance.now();
    const step = runParts(draft, this.#core, this.#parts, 0);
    if (step.verdict !== 'ask') {
      return step;
    }
    const going = { draft, untilMs: beganMs + limits.stageMs, beganMs, done, waited };
    this.#count(going, 1);
    this.#ask(going, step.stage, step.at);
    return undefined;
  }

  /**
   * Is it worth the hop to judge a waiting call again? Only for as many as there are free places: a long queue must not
   * be asked about with every place that becomes free.
   */
  mayRetry({ capability, headers }: Incoming): boolean {
    const major = headers.get(header.major);
    const entry = this.#core.registry.find(capability, major === undefined ? undefined : Number(major));
    const most = (this.#retries.get(capability) ?? 0) + 1;
    return entry === undefined || this.#core.router.free(entry, Date.now(), most) >= most;
  }

  #go(going: Going, from: number): void {
    const step: Step = runParts(going.draft, this.#core, this.#parts, from);
    return step.verdict === 'ask' ? this.#ask(going, step.stage, step.at) : this.#end(going, step);
  }

  #end(going: Going, verdict: ChainVerdict): void {
    this.#count(going, -1);
    going.done(going.draft, verdict);
  }

  #count({ draft, waited }: Going, change: number): void {
    this.#going += change;
    if (!waited) {
      return;
    }
    const now = (this.#retries.get(draft.capability) ?? 0) + change;
    if (now > 0) {
      this.#retries.set(draft.capability, now);
    } else {
      this.#retries.delete(draft.capability);
    }
  }

  #ask(going: Going, stage: Stage, at: number): void {
    const { draft, untilMs } = going;
    const check = checkOf(draft, this.#core, this.#asker.nonce(), carried(draft.headers));
    const askedMs = performance.now();
    // Whoever was chosen is kept free until the answer is there.
    const { instance } = draft;
    if (instance !== undefined) {
      instance.inFlight++;
    }
    this.#asker.ask(stage, check, draft.body, untilMs, (heard) => {
      if (instance !== undefined) {
        instance.inFlight--;
      }
      this.times.get(stage)?.observe(performance.now() - askedMs);
      this.#heard(going, stage, at, check.policy, heard);
    });
  }

  #heard(going: Going, stage: Stage, at: number, policy: string, heard: Heard): void {
    if ('why' in heard) {
      return this.#unproven(going, stage, heard.why);
    }
    const { answer } = heard;
    const behind = answer.verdict === 'behind' || answer.policy !== policy;
    if (behind || this.#core.policy.digest !== policy || this.#isGone(going.draft)) {
      return this.#again(going, stage, behind);
    }
    let verdict: Verdict;
    try {
      verdict = takeAnswer(stage, going.draft, this.#core, answer);
    } catch (err) {
      this.#core.log.error({ stage, err: String(err) }, 'an interceptor gave an answer that cannot be used');
      return this.#unproven(going, stage, 'its answer cannot be used');
    }
    return verdict === undefined ? this.#go(going, at + 1) : this.#end(going, verdict);
  }

  /** The instance that was chosen has left while the question was under way. */
  #isGone({ instance }: Draft): boolean {
    return instance !== undefined && this.#core.roster.get(instance.agent, instance.id) !== instance;
  }

  /** From the beginning, with what is known now; after a pause when the interceptor has to learn of it first. */
  #again(going: Going, stage: Stage, behind: boolean): void {
    if (performance.now() + limits.stagePauseMs >= going.untilMs) {
      return this.#unproven(going, stage, 'it does not have the policy and the cards that this gateway has');
    }
    const again = (): void => {
      const { trace, enteredMs, guardUs } = going.draft;
      const draft = draftOf(going.draft, Date.now());
      Object.assign(draft, { trace, enteredMs, guardUs: guardUs === undefined ? undefined : [] });
      this.#go({ ...going, draft }, 0);
    };
    setTimeout(again, behind ? limits.stagePauseMs : 0);
  }

  #unproven(going: Going, stage: Stage, why: string): void {
    this.unproven.set(stage, (this.unproven.get(stage) ?? 0) + 1);
    const waitedMs = Math.round(performance.now() - going.beganMs);
    this.#end(going, deny(meshError('interceptor_unavailable', { stage, waitedMs, why })));
  }
}
