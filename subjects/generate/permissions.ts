/** Derives the permission set of each role from the table and from the broker's own API. */
import type { Role, SubjectRow } from '../table.js';
import { brokerRights } from '../streams.js';
import { banner, literal, rows, wildcard } from './rows.js';

/** The roles, in the order in which the pages name them. */
export const roles = Object.keys(brokerRights) as Role[];

/** What one role may publish and subscribe to; `{me}` stands for the user's name. */
export interface PermissionSet {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** The permission set of a role. */
export function permissionSet(role: Role): PermissionSet {
  const live = rows.map(([, row]) => row).filter((row) => !row.reserved);
  // Rows with an ingress are written through `_k.…`, which stands in brokerRights.
  const says = live.filter((row) => row.says.includes(role) && !row.ingress);
  const hears = live.filter((row) => row.hears.includes(role));
  const rights: PermissionSet = brokerRights[role];
  return {
    publish: unique([...says.map((row) => bind(row, role)), ...rights.publish]),
    subscribe: unique([...hears.map((row) => heard(row, role)), ...rights.subscribe]),
  };
}

function unique(subjects: readonly string[]): string[] {
  return [...new Set(subjects)];
}

/** The row's subject with the user's own name in the `self` token; gateway and control act for everybody. */
function bind(row: SubjectRow, role: Role): string {
  const anyone = role === 'gateway' || role === 'control';
  return wildcard(row.pattern, row.self === undefined || anyone ? {} : { [row.self]: '{me}' });
}

/** With a queue, only as its member; such a hearer may leave out the tokens between its name and the end. */
function heard(row: SubjectRow, role: Role): string {
  const subject = bind(row, role);
  return row.queue === undefined ? subject : `${subject.replace(/(\.\*)+\.>$/, '.>')} ${row.queue}`;
}

/** `src/wire/generated/permissions.ts` */
export function permissionsFile(): string {
  const sets = Object.fromEntries(roles.map((role) => [role, permissionSet(role)]));
  return `${banner}import type { Token } from '../names.js';

/** Who a user of the broker is. */
export type Role = ${roles.map((role) => `'${role}'`).join(' | ')};

/** Subjects in the form of NATS permissions: \`subject\`, or \`subject queue\` for a queue subscription. */
export interface PermissionSet {
  publish: readonly string[];
  subscribe: readonly string[];
}

/** The permission set of each role; \`{me}\` stands for the user's name. */
export const permissions: Readonly<Record<Role, PermissionSet>> = ${literal(sets)};

/** The permission set of one user. */
export function permissionsOf(role: Role, me: Token): PermissionSet {
  const own = (subjects: readonly string[]) => subjects.map((s) => s.replaceAll('{me}', me));
  const set = permissions[role];
  return { publish: own(set.publish), subscribe: own(set.subscribe) };
}
`;
}
