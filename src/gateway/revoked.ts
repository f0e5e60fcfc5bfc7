/**
 * What a gateway does about calls in flight when something was revoked. Those whose authority fell are stopped, and
 * none of them lives longer than a moment. Those with an agent that was put out go to another one, or are `unknown`.
 */
import { meshError, type MeshError } from '../wire/errors.js';
import { limits } from '../wire/limits.js';
import type { Attempts } from './attempts.js';
import type { Core } from './core.js';
import { fallen } from './fallen.js';
import type { OpenCall, OpenSet } from './open.js';
import type { Settler } from './settle.js';

const WHY = 'its agent was revoked';

/** What it acts on. */
export interface RevokedParts {
  readonly core: Core;
  readonly open: OpenSet;
  readonly attempts: Attempts;
  readonly settler: Settler;
}

/** Ends calls that may not go on. */
export class RevokedCalls {
  readonly #parts: RevokedParts;
  /** Those that were told to stop, with when nobody waits for them any more (epoch ms). */
  readonly #stopped = new Map<OpenCall, number>();

  constructor(parts: RevokedParts) {
    this.#parts = parts;
  }

  /** Look at every call in flight. */
  look(): void {
    const { core, open } = this.#parts;
    for (const call of [...open.values()]) {
      if (call.record.verdict === 'refuse') {
        continue;
      }
      const error = call.revoked === undefined ? fallen(core, call.record) : undefined;
      if (error !== undefined) {
        call.revoked = error;
        this.#stop(call, error);
      }
      if (call.state === 'dispatched' && core.revoked.has(call.record.agent)) {
        this.#leave(call);
      }
    }
  }

  #stop(call: OpenCall, error: MeshError): void {
    const { attempts, settler } = this.#parts;
    call.cancelled = true;
    if (call.state === 'waiting' && (call.record.dispatches ?? 0) === 0) {
      return settler.fail(call, 'refused', error.toBody());
    }
    attempts.stop(call);
    this.#stopped.set(call, Date.now() + limits.revokedGraceMs);
  }

  /** Its agent was put out, and nothing it says is believed any more. */
  #leave(call: OpenCall): void {
    const { attempts, settler } = this.#parts;
    if (call.record.idempotent === true && call.revoked === undefined) {
      return attempts.lost(call, WHY);
    }
    const { agent } = call.record;
    const error = call.revoked ?? meshError('attempt_lost', { agent, why: WHY });
    settler.fail(call, 'unknown', withFate(error, agent).toBody());
  }

  /** Who does not say how it stopped has perhaps done it: that is `unknown`, and nobody waits for more. */
  giveUp(nowMs: number): void {
    for (const [call, until] of this.#stopped) {
      if (call.state === 'settling') {
        this.#stopped.delete(call);
      } else if (nowMs >= until && call.state !== 'deciding' && call.revoked !== undefined) {
        this.#stopped.delete(call);
        const error = withFate(call.revoked, call.record.agent);
        this.#parts.settler.fail(call, 'unknown', error.toBody());
      }
    }
  }
}

/** The same error, and what became of the task as far as is known. */
function withFate(error: MeshError, agent: string): MeshError {
  if (error.code !== 'grant_revoked' && error.code !== 'revoked') {
    return error;
  }
  return meshError(error.code, { ...error.details, fate: `; ${agent} did not say how far it came` });
}
