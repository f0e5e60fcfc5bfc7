/**
 * The operator's commands: one list, by the word in the subject.
 */
import type { Msg } from '../fabric/connection.js';
import { meshError } from '../wire/errors.js';
import { parse, pattern } from '../wire/generated/subjects.js';
import type { Admin } from '../wire/generated/messages.js';
import { serve, type Control } from './core.js';
import { addPlain, forget } from './plain.js';
import { enrol, reinstate, registerUser, revoke } from './members.js';

type Command = (control: Control, admin: Admin, by: string) => Promise<object>;

const commands: Readonly<Record<string, Command>> = {
  plain: addPlain,
  forget,
  register: registerUser,
  enrol,
  revoke,
  reinstate,
};

/** Serve them. Returns how to stop. */
export function serveAdmin(control: Control): () => void {
  return serve(
    control,
    pattern.admin,
    (subject) => parse.admin(subject)?.from,
    (msg, from) => run(control, msg, from),
  );
}

async function run(control: Control, msg: Msg, from: string): Promise<object> {
  const what = parse.admin(msg.subject)?.what ?? '';
  const command = Object.hasOwn(commands, what) ? commands[what] : undefined;
  if (command === undefined) {
    throw meshError('not_found', { what: 'the command', name: what });
  }
  return await command(control, msg.json<Admin>(), from);
}
