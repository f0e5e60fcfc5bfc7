/**
 * What a proof can make of somebody.
 */
import type { Role } from './generated/permissions.js';

/** Roles that a proof can give. All others are users in the configuration of the server. */
export const SESSION_ROLES = ['caller', 'agent', 'viewer'] as const satisfies readonly Role[];

/** A role that a proof can give. */
export type SessionRole = (typeof SESSION_ROLES)[number];

/** True when a proof can give this role. */
export function isSessionRole(value: unknown): value is SessionRole {
  return SESSION_ROLES.includes(value as SessionRole);
}

/** Who somebody has proven to be. */
export interface Identified {
  readonly name: string;
  readonly role: SessionRole;
}
