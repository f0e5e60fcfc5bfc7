/**
 * What an operator may command. The broker lets nobody else speak here, and not under another name.
 */
import type { Msg } from '../fabric/connection.js';
import type { PolicyTexts } from '../fabric/policy-files.js';
import { compileOurs } from '../domain/validator.js';
import { meshError } from '../wire/errors.js';
import { parse, pattern } from '../wire/generated/subjects.js';
import type { Admin } from '../wire/generated/messages.js';
import { schemas } from '../wire/generated/schemas.js';
import { decodeJson } from '../wire/json.js';
import { limits } from '../wire/limits.js';
import { asToken, type Token } from '../wire/names.js';
import { liftBudget, setBudget, writeOffDebt } from './budgets/set.js';
import { serve, type Control } from './core.js';
import { forceOne } from './breakers.js';
import { revoke } from './grants.js';
import { bodyOf, discard } from './laid/dead.js';
import { wakeNow } from './laid/parked.js';
import { replay } from './laid/replay.js';
import { enrol, expel, memberOf, registerUser, reinstate } from './members.js';
import { addPlain, forget } from './plain.js';
import { pushPolicy } from './policy.js';
import { pushShadow } from './shadow.js';

/** A card, or a policy (JSON may double it), and what stands around it. */
const REQUEST_BYTES = Math.max(limits.cardBytes, 2 * limits.policyBytes) + 4_096;
const fitsAdmin = compileOurs(schemas.admin);

type Command = (control: Control, admin: Admin, by: Token) => Promise<object>;

const commands: Readonly<Record<string, Command>> = {
  plain: (control, admin) => addPlain(control, needs(admin, 'agent')),
  forget: (control, admin) => forget(control, needs(admin, 'agent')),
  register: (control, admin) => registerUser(control, needs(admin, 'agent', 'role', 'user')),
  enrol: (control, admin) => enrol(control, needs(admin, 'agent', 'role', 'digest', 'until')),
  reinstate: (control, admin, by) => reinstate(control, needs(admin, 'agent'), by),
  member: (control, admin) => memberOf(control, needs(admin, 'agent')),
  replay: (control, admin, by) => replay(control, needs(admin, 'from', 'call', 'seq'), by),
  discard: (control, admin, by) => discard(control, needs(admin, 'from', 'call', 'seq'), by),
  body: (control, admin) => bodyOf(control, needs(admin, 'from', 'call', 'seq')),
  release: (control, admin, by) => wakeNow(control, needs(admin, 'from', 'call'), by, false),
  policy: (control, admin, by) => pushPolicy(control, textsOf(admin), by),
  shadow: (control, admin, by) =>
    pushShadow(control, admin.policy === undefined ? undefined : textsOf(admin), admin.share ?? 1, by),
  budget: ({ books, ...control }, admin, by) => setBudget(control, books.store, needs(admin, 'node'), by),
  lift: ({ books, ...control }, admin, by) =>
    admin.node === undefined
      ? liftBudget(books.store, needs(admin, 'agent'), by)
      : writeOffDebt(control, books.store, needs(admin, 'node'), by),
  cancel: (control, admin, by) => wakeNow(control, needs(admin, 'from', 'call'), by, true),
  breaker: (control, admin, by) => forceOne(control, needs(admin, 'agent', 'capability', 'breaker'), by),
  revoke: (control, admin, by) =>
    admin.agent === undefined ? revoke(control, admin, by) : expel(control, admin, by),
};

/** Serve the commands. Returns how to stop. */
export function serveAdmin(control: Control): () => void {
  return serve(
    control,
    pattern.admin,
    (subject) => parse.admin(subject)?.from,
    async (msg, from) => {
      const what = parse.admin(msg.subject)?.what ?? '';
      const command = Object.hasOwn(commands, what) ? commands[what] : undefined;
      if (command === undefined) {
        throw meshError('not_found', { what: 'the command', name: what });
      }
      const by = asToken(from, 'the operator');
      const done = await command(control, read(msg, what), by);
      control.log.info({ by, what, done: { ...done, body: undefined } }, 'an operator commanded');
      return done;
    },
  );
}

function textsOf(admin: Admin): PolicyTexts {
  const { policy: text, files = {} } = needs(admin, 'policy');
  return { text, files };
}

/** Throws schema_violation, body_*. */
function read(msg: Msg, what: string): Admin {
  const value = decodeJson(msg.data, REQUEST_BYTES) ?? {};
  const errors = fitsAdmin(value);
  if (errors !== undefined) {
    throw meshError('schema_violation', { capability: `admin.${what}`, errors });
  }
  return value as Admin;
}

/** The command with what it cannot do without. */
function needs<K extends keyof Admin>(admin: Admin, ...keys: K[]): Admin & Required<Pick<Admin, K>> {
  const missing = keys.filter((key) => admin[key] === undefined);
  if (missing.length > 0) {
    throw meshError('schema_violation', {
      capability: 'admin',
      errors: missing.map((key) => `/: must have ${key}`),
    });
  }
  return admin as Admin & Required<Pick<Admin, K>>;
}
