/**
 * View of what gateways learned: success, time and cost of each agent at each capability it offers.
 */
import type { View } from '../../wire/generated/messages.js';
import { matches } from '../../wire/names.js';
import type { Control } from '../core.js';
import { fit, mark } from './bounds.js';
import type { Page } from './pages.js';

/** What is known of one agent at one capability. */
export interface LearnedRow {
  readonly capability: string;
  readonly agent: string;
  /** It has a live instance. */
  readonly alive: boolean;
  readonly proficiency: 'novice' | 'competent' | 'expert';
  /** Price on its card, in micro-USD. */
  readonly price: number;
  /** Share of its attempts that complete; missing when none was seen. */
  readonly success?: number;
  /** Time of work in ms; missing when none was measured. */
  readonly ms?: number;
  /** Measured cost in micro-USD; missing when none was measured. */
  readonly micros?: number;
  /** When it was seen last (epoch ms). */
  readonly seenAt?: number;
}

/** View `learned`: by capability, then by agent. */
export interface LearnedPage extends Page {
  readonly learned: readonly LearnedRow[];
}

/** What is known of those that offer something under the pattern. */
export function viewLearned(control: Control, { pattern = '>', agent, limit }: View): LearnedPage {
  const rows: LearnedRow[] = [];
  for (const registered of control.registry.agents()) {
    if (agent === undefined || registered.agent === agent) {
      for (const { name, proficiency, costMicros } of registered.offers) {
        if (matches(pattern, name)) {
          const known = control.stats.of(name, registered.agent);
          rows.push({
            capability: name,
            agent: registered.agent,
            alive: control.roster.alive(registered.agent),
            proficiency,
            price: costMicros,
            ...(known === undefined ? {} : { success: round(known.success), seenAt: known.lastMs }),
            ...(known?.ms === undefined ? {} : { ms: round(known.ms) }),
            ...(known?.micros === undefined ? {} : { micros: Math.round(known.micros) }),
          });
        }
      }
    }
  }
  rows.sort((a, b) => (`${a.capability} ${a.agent}` < `${b.capability} ${b.agent}` ? -1 : 1));
  const kept = fit(rows.slice(0, limit));
  return { learned: kept.rows, ...mark(kept.cut) };
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
