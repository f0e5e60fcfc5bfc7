/**
 * What an identity process shows of itself: its answers, and whether it can give any.
 */
import { Meter } from '../../sight/meter.js';
import type { Sightly } from '../../sight/page.js';

/** Counts answers by `admitted` or the code of the refusal: a closed set. */
export class Answers {
  readonly #counts = new Map<string, number>();
  #atWork = 0;

  /** Proofs that are being worked on. */
  get atWork(): number {
    return this.#atWork;
  }

  /** One more is worked on, until what is returned is called. */
  begin(): () => void {
    this.#atWork++;
    return () => void this.#atWork--;
  }

  /** Count an answer. */
  count(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }

  /** How often each was given. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }
}

/** Show an identity process that answers. */
export function showIdentity(answers: Answers, connected: () => boolean): Sightly {
  const meter = new Meter('identity');
  const help = 'Connections that were let in or refused, by the code of the refusal.';
  meter.counter({ name: 'mesh_identity_answers_total', help, labels: ['answer'] }, () =>
    [...answers.counts].map(([answer, value]) => ({ labels: { answer }, value })),
  );
  meter.gauge({ name: 'mesh_identity_proofs', help: 'Proofs that are being worked on.' }, () => [
    { value: answers.atWork },
  ]);
  return {
    metrics: async () => ({ type: meter.type, text: await meter.page() }),
    missing: () => (connected() ? [] : ['it is not connected to the server']),
  };
}
