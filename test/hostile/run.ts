/**
 * Runs attacks, one after the other: the attempt, its control, its naive counterpart. It reports what it saw and
 * decides nothing else.
 */
import type { Attack, Position } from './attack.js';
import type { World } from './world.js';

/** What was seen of one attack. */
export interface Seen {
  readonly attack: Attack;
  /** The attack had its effect. */
  readonly succeeded: boolean;
  /** Controls that did what they must: the positive one, and the naive one if there is one. */
  readonly passed: number;
  /** What did not hold, in words. */
  readonly wrong: readonly string[];
  readonly ms: number;
}

/** All that was seen. */
export interface Report {
  readonly seen: readonly Seen[];
  readonly succeeded: readonly string[];
  readonly failed: readonly string[];
  readonly controls: number;
  /** The line that the run ends with. */
  readonly line: string;
}

/** What a run needs beside the attacks. */
export interface RunOptions {
  readonly world: World;
  /** The same mesh with a server that lets members do everything; none: those controls are left out. */
  readonly open?: (() => Promise<World>) | undefined;
  readonly onSeen?: ((seen: Seen) => void) | undefined;
}

/** Run them. Never rejects for what an attack does. */
export async function runAttacks(attacks: readonly Attack[], options: RunOptions): Promise<Report> {
  const seen: Seen[] = [];
  for (const attack of attacks) {
    const one = await look(attack, options);
    seen.push(one);
    options.onSeen?.(one);
  }
  const succeeded = seen.filter((one) => one.succeeded).map(({ attack }) => attack.id);
  const controls = seen.reduce((sum, one) => sum + one.passed, 0);
  const failed = seen
    .filter((one) => one.wrong.length > 0 && !one.succeeded)
    .map((one) => `${one.attack.id}: ${one.wrong.join('; ')}`);
  const line = `${seen.length} attacks, ${succeeded.length} succeeded, ${controls} controls passed`;
  return { seen, succeeded, failed, controls, line };
}

async function look(attack: Attack, { world, open }: RunOptions): Promise<Seen> {
  const began = performance.now();
  const wrong: string[] = [];
  let passed = 0;
  world.notes.length = 0;
  const is = async (what: string, want: boolean, act: () => Promise<boolean>): Promise<boolean> => {
    const got = await act().catch((err: unknown) => String(err));
    if (got !== want) {
      wrong.push(typeof got === 'string' ? `${what} broke: ${got}` : what);
    }
    return got === want;
  };
  const held = await is('the attack succeeded', false, () => attack.attempt(world));
  passed += Number(await is('the control does not work', true, () => attack.control(world)));
  const { naive } = attack;
  if (naive === 'open broker' && open !== undefined) {
    const naively = async () => attack.attempt(await open());
    passed += Number(await is('it does not work on an open broker either', true, naively));
  } else if (naive !== undefined && naive !== 'open broker') {
    passed += Number(await is(`it does not work ${naive.where} either`, true, () => naive.attempt(world)));
  }
  const succeeded = !held && wrong[0] === 'the attack succeeded';
  const notes = wrong.length > 0 ? world.notes : [];
  return { attack, succeeded, passed, wrong: [...wrong, ...notes], ms: performance.now() - began };
}

/** Count by position, for whoever reads the report. */
export function byPosition(seen: readonly Seen[]): ReadonlyMap<Position, number> {
  const counts = new Map<Position, number>();
  seen.forEach(({ attack: { position } }) => counts.set(position, (counts.get(position) ?? 0) + 1));
  return counts;
}
