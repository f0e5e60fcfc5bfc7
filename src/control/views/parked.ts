/**
 * View of parked calls: the oldest first, with what they wait for.
 */
import type { Stored } from '../../fabric/reader.js';
import type { View } from '../../wire/generated/messages.js';
import type { Control } from '../core.js';
import { Budget } from './bounds.js';
import { laidAside, more } from './laid-aside.js';
import type { ParkedPage, ParkedRow } from './pages.js';
import { parkedIn } from './records.js';
import { parkedCall } from './waiting.js';

/** Parked calls that fit the view. Throws name_invalid. */
export async function viewParked(control: Control, view: View): Promise<ParkedPage> {
  const budget = new Budget();
  const of = `mesh.v1.parked.*.${view.from ?? '*'}.*`;
  const { rows, next } = await laidAside(control, budget, 'PARKED', of, view, (m) => rowOf(control, m));
  return { parked: rows, ...more(next) };
}

function rowOf(control: Control, m: Stored): ParkedRow | undefined {
  const record = parkedIn(m);
  if (record === undefined) {
    return undefined;
  }
  const { from, call, capability, root, parent, why, since, deadline } = parkedCall(control, record);
  return {
    seq: m.seq,
    from,
    call,
    capability,
    root,
    ...(parent === undefined ? {} : { parent }),
    why,
    at: since,
    ...(deadline === undefined ? {} : { deadline }),
  };
}
