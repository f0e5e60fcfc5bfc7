/**
 * View of dead calls: the oldest first, with what was tried and why it was given up.
 */
import type { Stored } from '../../fabric/reader.js';
import type { DeadRecord, View } from '../../wire/generated/messages.js';
import { header } from '../../wire/headers.js';
import type { Control } from '../core.js';
import { deadIn } from '../laid/dead.js';
import { Budget } from './bounds.js';
import { laidAside, more } from './laid-aside.js';
import type { DeadPage, DeadRow } from './pages.js';

/** Dead calls that fit the view; of a single one everything but its body. Throws name_invalid. */
export async function viewDead(control: Control, view: View): Promise<DeadPage> {
  const budget = new Budget();
  const capabilities = `mesh.v1.dead.${view.pattern ?? '>'}`;
  const { rows, next } = await laidAside(control, budget, 'DEAD', capabilities, view, (m) => {
    const record = deadIn(m);
    return record === undefined ? undefined : rowOf(m, record, view.call !== undefined);
  });
  return { dead: rows, ...more(next) };
}

function rowOf(m: Stored, record: DeadRecord, whole: boolean): DeadRow {
  const { from, call, capability, why, at, history, chain, headers, timeoutMs, replays } = record;
  const { [header.ticket]: _ticket, ...said } = headers ?? {};
  return {
    seq: m.seq,
    from,
    call,
    capability,
    why,
    at,
    attempts: history.length,
    bytes: Number(m.headers.get('Nats-Msg-Size') ?? 0),
    ...(replays === undefined ? {} : { replays }),
    ...(whole
      ? {
          history,
          headers: said,
          ...(chain === undefined ? {} : { chain }),
          ...(timeoutMs === undefined ? {} : { timeoutMs }),
        }
      : {}),
  };
}
