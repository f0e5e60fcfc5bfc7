/**
 * The users that a mesh begins with.
 */
import type { NewUser } from '../../fabric/users.js';
import type { Stage } from '../../wire/stages.js';

/** The users of every mesh. */
export const FIRST_USERS: readonly NewUser[] = [
  { name: 'control', role: 'control' },
  { name: 'gateway', role: 'gateway' },
  { name: 'operator', role: 'operator' },
  { name: 'me', role: 'caller' },
];

/** What a mesh has beside them: processes that say who connects, stages that interceptors judge. */
export interface Extra {
  readonly identity?: number;
  readonly split?: readonly Stage[];
}

/** The users of a mesh that has these parts. */
export function firstUsers({ identity = 0, split = [] }: Extra): readonly NewUser[] {
  const interceptors = split.map((stage): NewUser => ({ name: stage, role: 'interceptor' }));
  const known: readonly NewUser[] = identity === 0 ? [] : [{ name: 'identity', role: 'identity' }];
  return [...FIRST_USERS, ...known, ...interceptors];
}

/** What the gateways of a mesh are told of its parts. */
export function gatewayArgs(options: Extra & { readonly accept?: readonly string[] }): string[] {
  const { accept = [], split = [] } = options;
  const stages = split.length === 0 ? [] : ['--split', split.join(',')];
  return [...accept.flatMap((check) => ['--accept', check]), ...stages];
}
