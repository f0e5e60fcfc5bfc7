/**
 * Who may come, and who may not any longer. Revoking goes in this order: the record that keeps the name out, then its
 * connections, then its instances, so that nothing in between can bring it back.
 */
import { IdentityStore } from '../fabric/identity-store.js';
import { putRevocation } from '../fabric/grants.js';
import { kick } from '../fabric/kick.js';
import { removeCard } from '../fabric/cards.js';
import { isUserKey } from '../fabric/keys.js';
import { rawHeaders } from '../fabric/raw.js';
import { meshError } from '../wire/errors.js';
import type { Admin } from '../wire/generated/messages.js';
import { subject } from '../wire/generated/subjects.js';
import { encodeHeaders, header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import { asToken, reservedNames, type Token } from '../wire/names.js';
import { isSessionRole } from '../wire/session-role.js';
import type { Control } from './core.js';
import { Register } from './identity/register.js';

/**
 * Register a name with its key: it can connect when this resolves. Throws usage, name_invalid, revoked (the name, or
 * the key), name_taken.
 */
export async function registerUser(control: Control, admin: Admin): Promise<object> {
  const { register, name } = of(control, admin);
  const { role, user: key } = admin;
  if (!isSessionRole(role) || key === undefined || !isUserKey(key)) {
    throw meshError('usage', { why: 'a name is registered with a role and a public key' });
  }
  await refuseRevoked(register, name);
  await refuseRevoked(register, key);
  await refuseParts(register, name);
  await register.put({ name, role, key });
  return { name, role, key };
}

/** Let whoever has the token of a digest enrol under a name, once. Throws usage, name_invalid, revoked, name_taken. */
export async function enrol(control: Control, admin: Admin): Promise<object> {
  const { register, name } = of(control, admin);
  const { role, digest, until = 0 } = admin;
  const lifeMs = until - Date.now();
  if (!isSessionRole(role) || digest === undefined || lifeMs <= 0 || lifeMs > limits.enrolMaxMs) {
    throw meshError('usage', { why: 'an enrolment has a role, a digest, and an end within a week' });
  }
  await register.invite(digest, { name, role, untilMs: until });
  return { name, role, until };
}

/**
 * Revoke a name, or with `key` that key alone: keep it out, take back the grants, cut the connections, end the
 * instances. A name has one key, so all that it has begun was begun with it, and falls with it; the name may be given
 * another key at once. Throws name_invalid, name_taken, not_found for a key that the name does not have.
 */
export async function expel(control: Control, admin: Admin, by: string): Promise<object> {
  const { register, name } = of(control, admin);
  await refuseParts(register, name);
  const known = (await register.ofName(name))?.key ?? admin.user;
  const { key } = admin;
  if (key !== undefined && key !== known) {
    throw meshError('not_found', { what: `the key of ${name}`, name: key });
  }
  await (key === undefined ? register.revoke(name, by) : register.revokeKey(name, key, by));
  await putRevocation(control.nc, { holder: name }, { at: Date.now(), by });
  const kicked = await cut(control, name, known);
  control.log.warn({ name, key, by, kicked }, 'revoked');
  return { name, revoked: true, ...(key === undefined ? {} : { key }), kicked };
}

/** What the mesh knows of a name. Throws not_found. */
export async function memberOf(control: Control, admin: Admin): Promise<object> {
  const { register, name } = of(control, admin);
  const [record, revoked] = await Promise.all([register.ofName(name), register.isRevoked(name)]);
  if (record === undefined) {
    throw meshError('not_found', { what: 'the name', name });
  }
  return { name, ...record, revoked };
}

/** Let a revoked name in again. Throws not_found. */
export async function reinstate(control: Control, admin: Admin, by: string): Promise<object> {
  const { register, name } = of(control, admin);
  await register.reinstate(name, by);
  control.log.warn({ name, by }, 'reinstated');
  return { name, revoked: false };
}

function of(control: Control, admin: Admin): { register: Register; name: Token } {
  const name = asToken(admin.agent, 'agent');
  if (reservedNames.has(name)) {
    throw meshError('name_invalid', { value: name, where: 'the mesh keeps it for itself' });
  }
  return { register: new Register(new IdentityStore(control.nc)), name };
}

/** Parts of the mesh stand in the configuration of the server; a command over the wire does not reach them. */
async function refuseParts(register: Register, name: string): Promise<void> {
  const record = await register.ofName(name);
  if (record !== undefined && !isSessionRole(record.role)) {
    throw meshError('name_taken', { name });
  }
}

async function refuseRevoked(register: Register, name: string): Promise<void> {
  if (await register.isRevoked(name)) {
    throw meshError('revoked', { name });
  }
}

/** When the last look comes, the server has given up on every connection that was being proven when we revoked. */
const LOOK_AGAIN_MS = [250, 1_000, 4_000];

async function cut(control: Control, name: Token, key: string | undefined): Promise<number> {
  const users = key === undefined ? [name] : [name, key];
  const kicked = await kick(control.nc, users);
  await endInstances(control, name);
  for (const ms of LOOK_AGAIN_MS) {
    setTimeout(() => {
      kick(control.nc, users)
        .then((late) => (late > 0 ? endInstances(control, name) : undefined))
        .catch((err: unknown) => control.log.error({ name, err: String(err) }, 'could not look again'));
    }, ms).unref();
  }
  return kicked;
}

/** Say bye for them: gateways then treat their tasks as those of instances that died. */
async function endInstances(control: Control, agent: Token): Promise<void> {
  for (const { id: instance } of control.roster.of(agent)) {
    const headers = rawHeaders(encodeHeaders([[header.instance, instance]]));
    control.nc.publish(subject.bye({ agent, instance }), '', { headers });
  }
  if (control.registry.agent(agent) !== undefined) {
    await removeCard(control.nc, agent);
  }
}
