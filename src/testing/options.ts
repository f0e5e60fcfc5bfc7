/**
 * What a mesh for tests is told.
 */
import type { Log } from '../wire/log.js';
import type { Role } from '../wire/generated/permissions.js';

/** Roles by the name of the user: `{ shop: 'caller', inventory: 'agent' }`. */
export type TestUsers = Readonly<Record<string, Role>>;

/** How to start a mesh for tests. */
export interface TestMeshOptions {
  /** Who takes part. Everybody gets credentials. */
  readonly users?: TestUsers;
  /**
   * The policy: the text of a policy file, or its content as an object. Without one callers may call everything and
   * begin trees of calls, and agents may serve and call everything.
   */
  readonly policy?: string | object;
  /** How many gateways; default 1. */
  readonly gateways?: number;
  /** Hears what control and gateways say; default: nobody. A pino logger fits. */
  readonly log?: Log;
  /** Fetch no nats-server when none is found; default: as MESH_OFFLINE says. */
  readonly offline?: boolean;
}

/** A policy under which everybody may do everything its role is for. */
export function openPolicy(users: TestUsers): string {
  const members = Object.entries(users).map(
    ([name, role]) => `  ${name}: [${role === 'agent' ? 'worker' : 'everyone'}]`,
  );
  return [
    'version: 1',
    'roles:',
    "  everyone: { call: ['>'], mayRoot: true }",
    "  worker: { serve: ['>'], call: ['>'] }",
    'members:',
    ...(members.length === 0 ? ['  nobody: []'] : members),
    '',
  ].join('\n');
}
