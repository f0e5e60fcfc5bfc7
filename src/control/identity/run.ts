/**
 * An identity process: answers the server when it asks who connects. Several may run; the server asks one of them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { noRules, readIdentityRules, type IdentityRules } from '../../domain/identity.js';
import {
  answerCallouts,
  type Admitted,
  type CalloutKeys,
  type Presented,
  type Refused,
} from '../../fabric/callout.js';
import { connectBroker, followConnection, leaveBroker } from '../../fabric/connection.js';
import { readText, watchText } from '../../fabric/file.js';
import { IdentityStore } from '../../fabric/identity-store.js';
import type { Sightly } from '../../sight/page.js';
import { asMeshError, meshError } from '../../wire/errors.js';
import { limits } from '../../wire/limits.js';
import type { Log } from '../../wire/log.js';
import { prove, type Judges, type Proven } from './prove.js';
import { Register, type Registered } from './register.js';
import { Answers, showIdentity } from './shown.js';
import { Tokens } from './tokens.js';

/** How to run identity. `seed` is the nkey of a user with the role identity. */
export interface IdentityOptions {
  readonly url: string;
  readonly seed: string;
  readonly name: string;
  readonly keys: CalloutKeys;
  /** `mesh.identity.yaml`; without one only registered keys are believed. */
  readonly rulesFile?: string | undefined;
  /** Users that are put into the register before the first question. */
  readonly users: readonly Registered[];
  readonly log: Log;
}

/** A running identity process. */
export interface RunningIdentity {
  /** What it shows of itself. */
  readonly sight: Sightly;
  stop(): Promise<void>;
}

const BUCKET_MS = 15_000;
const AGAIN_MS = 250;

/**
 * Start identity. Resolves when it answers.
 * Throws config_invalid, config_missing, connection_failed, permission_denied, `unavailable` without a control.
 */
export async function runIdentity(options: IdentityOptions): Promise<RunningIdentity> {
  const { log, rulesFile } = options;
  const rules = rulesFile === undefined ? noRules : readIdentityRules(readText(rulesFile), rulesFile);
  const nc = await connectBroker({ url: options.url, name: options.name, seed: options.seed });
  const connected = followConnection(nc);
  const register = new Register(new IdentityStore(nc));
  await fill(register, options.users);
  const tokens = new Tokens(rules, (issuer, why) => log.warn({ issuer, why }, 'keys of an issuer are away'));
  const judges: Judges = { rules, tokens, register };
  const answers = new Answers();
  const stopAnswers = answerCallouts(nc, options.keys, (presented) =>
    decide(judges, answers, log, presented),
  );
  await nc.flush();
  const stopRules = rulesFile === undefined ? () => undefined : follow(judges, rulesFile, log);
  return {
    sight: showIdentity(answers, connected),
    async stop() {
      stopAnswers();
      stopRules();
      await leaveBroker(nc);
    },
  };
}

/** Control makes the bucket; identity may have been started before it. */
async function fill(register: Register, users: readonly Registered[]): Promise<void> {
  const until = Date.now() + BUCKET_MS;
  for (;;) {
    try {
      for (const user of users) {
        const known = await register.ofName(user.name);
        // What was enrolled later has another key than the file; the register is the truth.
        if (known === undefined) {
          await register.put(user);
        }
      }
      await register.isRevoked('nobody');
      return;
    } catch (err) {
      if (Date.now() > until) {
        throw err;
      }
      await sleep(AGAIN_MS);
    }
  }
}

function follow(judges: Judges, file: string, log: Log): () => void {
  const watched = watchText(file, (text) => {
    try {
      const rules: IdentityRules = readIdentityRules(text, file);
      judges.rules = rules;
      judges.tokens.replace(rules);
      log.info({ file }, 'identity rules replaced');
    } catch (err) {
      log.error({ err: String(err) }, 'the new identity rules are refused, the old ones stay');
    }
  });
  return () => watched.stop();
}

async function decide(
  judges: Judges,
  answers: Answers,
  log: Log,
  presented: Presented,
): Promise<Admitted | Refused | undefined> {
  const { client } = presented;
  if (answers.atWork >= limits.callouts) {
    answers.count('overloaded');
    return undefined; // the server may ask another one at the next try
  }
  const done = answers.begin();
  try {
    const proven = await inTime(prove(judges, presented));
    answers.count('admitted');
    log.info({ client, name: proven.name, role: proven.role, how: proven.how }, 'admitted');
    return proven;
  } catch (err) {
    const { code, message } = asMeshError(err, 'identity');
    answers.count(code);
    log.warn({ client, code, err: message }, 'refused');
    return { refused: code };
  } finally {
    done();
  }
}

/** The server does not wait longer; an answer that comes later must not let in who was revoked meanwhile. */
async function inTime(proof: Promise<Proven>): Promise<Proven> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const why = 'proving it took too long';
    timer = setTimeout(
      () => reject(meshError('unavailable', { waitedMs: limits.calloutMs, why })),
      limits.calloutMs,
    );
  });
  try {
    return await Promise.race([proof, late]);
  } finally {
    clearTimeout(timer);
  }
}
