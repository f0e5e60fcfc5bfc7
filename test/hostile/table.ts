/**
 * All attacks, with the file that each stands in.
 */
import type { Attack } from './attack.js';
import { approvals } from './attacks/approvals.js';
import { bodies } from './attacks/bodies.js';
import { calls } from './attacks/calls.js';
import { doors } from './attacks/doors.js';
import { grants } from './attacks/grants.js';
import { identity } from './attacks/identity.js';
import { inputs } from './attacks/inputs.js';
import { names } from './attacks/names.js';
import { replies } from './attacks/replies.js';
import { streams } from './attacks/streams.js';
import { tasks } from './attacks/tasks.js';

/** By file, in the order in which they run. */
export const files: Readonly<Record<string, readonly Attack[]>> = {
  names,
  streams,
  replies,
  calls,
  inputs,
  tasks,
  bodies,
  grants,
  approvals,
  identity,
  doors,
};

export const attacks: readonly Attack[] = Object.values(files).flat();

/** Those whose id fits; without a pattern all. */
export function chosen(pattern: string | undefined): readonly Attack[] {
  return pattern === undefined ? attacks : attacks.filter(({ id }) => new RegExp(pattern).test(id));
}
