/**
 * What control does for breakers: it shows those that are not simply closed, and opens and closes them for operators.
 */
import { force, type BreakerRecord } from '../domain/care/breaker.js';
import { idleFallbacks } from '../domain/care/fallbacks.js';
import { breakerKey, readBreakerKey, type BreakerName } from '../domain/care/breaker-name.js';
import { forceBreaker, readBreakers } from '../fabric/breaker-store.js';
import { meshError } from '../wire/errors.js';
import type { Admin, View } from '../wire/generated/messages.js';
import { limits } from '../wire/limits.js';
import { asCapability, asToken, matches, type Token } from '../wire/names.js';
import type { Control } from './core.js';
import { fit, mark } from './views/bounds.js';
import type { BreakerRow, BreakersPage } from './views/breaker-page.js';

/** Breakers and fallbacks have half a reply each. */
const HALF_BYTES = 400_000;

interface Stored extends BreakerName {
  readonly key: string;
  readonly record: BreakerRecord;
}

/** The breakers that are not simply closed, by agent, and fallbacks that are of no use. Rejects when they cannot be read. */
export async function viewBreakers(control: Control, { pattern, limit }: View): Promise<BreakersPage> {
  const all = (await stored(control))
    .filter(({ record }) => record.state !== 'closed' || Date.now() - record.at < record.forMs)
    .filter(({ capability }) => pattern === undefined || pattern === '>' || matches(pattern, capability))
    .sort((a, b) => (`${a.agent} ${a.key}` < `${b.agent} ${b.key}` ? -1 : 1));
  const { rows, cut } = fit(all.slice(0, limit ?? limits.viewRows).map(rowOf), HALF_BYTES);
  const idle = idleFallbacks(control.policy.breakers, control.registry).filter(
    ({ capability }) => pattern === undefined || matches(pattern, capability),
  );
  const told = fit(idle.slice(0, limit ?? limits.viewRows), HALF_BYTES);
  return {
    breakers: rows,
    ...(idle.length === 0 ? {} : { idleFallbacks: told.rows }),
    ...mark(cut || rows.length < all.length || told.rows.length < idle.length),
  };
}

/** Open the breaker of an agent for all, or close all it has. Throws not_found, name_invalid, unavailable. */
export async function forceOne(
  control: Control,
  { agent, capability, breaker, why }: Required<Pick<Admin, 'agent' | 'capability' | 'breaker'>> & Admin,
  by: Token,
): Promise<object> {
  const name = asToken(agent, 'agent');
  const what = asCapability(capability);
  if (control.registry.agent(name)?.offers.some((offer) => offer.name === what) !== true) {
    throw meshError('not_found', { what: `the capability ${what} of`, name });
  }
  const ramp = control.policy.breakers.of(what)?.ramp ?? 0;
  const record = force(breaker, ramp, { by, at: Date.now() }, why);
  const any = breakerKey({ agent: name, capability: what, kind: 'any', name: '' });
  const others = (await stored(control)).filter((one) => one.agent === name && one.capability === what);
  const keys = breaker === 'open' ? [any] : others.map(({ key }) => key);
  for (const key of keys) {
    if (!(await forceBreaker(control.pub, key, record))) {
      throw meshError('unavailable', { waitedMs: limits.ackTimeoutMs, why: 'it could not be stored' });
    }
  }
  return { agent: name, capability: what, breaker, changed: keys.length };
}

async function stored(control: Control): Promise<Stored[]> {
  return [...(await readBreakers<BreakerRecord>(control.nc))].flatMap(([key, record]) => {
    const name = readBreakerKey(key);
    return name === undefined ? [] : [{ ...name, key, record }];
  });
}

function rowOf({ agent, capability, kind, name, record }: Stored): BreakerRow {
  const { state, opens, at, by, why, forced } = record;
  return {
    agent,
    capability,
    ...(kind === 'any' ? {} : { [kind]: name }),
    ...{ state, opens, at, by },
    ...(why === undefined ? {} : { why }),
    ...(forced === undefined ? {} : { forced }),
  };
}
