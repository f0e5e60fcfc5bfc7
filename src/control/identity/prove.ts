/**
 * From what a connection presents to who it is: a token, else a key, else a certificate. Whoever presents a token is
 * judged by the token: one that fails is not made good by a weaker proof beside it.
 */
import type { IdentityRules } from '../../domain/identity.js';
import { identifyCertificate } from '../../domain/identity-certificates.js';
import type { Admitted, Presented } from '../../fabric/callout.js';
import { isSignedBy, isUserKey } from '../../fabric/keys.js';
import { enrolDigest, enrolPrefix } from '../../wire/enrolment.js';
import { meshError } from '../../wire/errors.js';
import type { Identified } from '../../wire/session-role.js';
import { readPem } from './certificates.js';
import type { Register } from './register.js';
import type { Tokens } from './tokens.js';

/** What a proof is judged by. */
export interface Judges {
  /** Replaced as a whole when the file changes. */
  rules: IdentityRules;
  readonly tokens: Tokens;
  readonly register: Register;
}

/** How somebody proved who they are. */
export type How = 'key' | 'enrolment' | 'token' | 'certificate';

/** Somebody who is let in. */
export interface Proven extends Admitted {
  readonly how: How;
}

interface Proof extends Identified {
  readonly how: How;
  /** When the proof itself ends. */
  readonly untilMs: number;
}

/**
 * Who it is. Throws proof_missing, proof_broken, key_unknown, enrolment_invalid, token_*, certificate_unknown,
 * name_taken, revoked; `unavailable` when the register cannot be read, which is a no as well.
 */
export async function prove(judges: Judges, presented: Presented): Promise<Proven> {
  const proof = await read(judges, presented);
  if (proof.how === 'token' || proof.how === 'certificate') {
    await refuseTaken(judges.register, proof.name);
  }
  // Last, so that a revocation made meanwhile counts.
  for (const name of presented.nkey === undefined ? [proof.name] : [proof.name, presented.nkey]) {
    if (await judges.register.isRevoked(name)) {
      throw meshError('revoked', { name });
    }
  }
  const sessionMs = judges.rules.sessionMs * (1 - Math.random() * SPREAD);
  return { ...proof, untilMs: Math.min(proof.untilMs, Date.now() + sessionMs) };
}

/** Sessions that began together do not end together. */
const SPREAD = 0.1;

async function read({ rules, tokens, register }: Judges, presented: Presented): Promise<Proof> {
  const key = provenKey(presented);
  const { token, certificates, client } = presented;
  if (token?.startsWith(enrolPrefix) === true) {
    if (key === undefined) {
      throw meshError('proof_broken', { client, why: 'an enrolment token is used together with a key' });
    }
    return { ...(await register.enrol(enrolDigest(token), key)), how: 'enrolment', untilMs: Infinity };
  }
  if (token !== undefined) {
    return { ...(await tokens.verify(token, key)), how: 'token' };
  }
  if (key !== undefined) {
    return { ...(await register.ofKey(key)), how: 'key', untilMs: Infinity };
  }
  if (certificates.length === 0) {
    throw meshError('proof_missing', { client });
  }
  return ofCertificate(rules, certificates, client);
}

/** The key that this connection has proven to hold. Throws `proof_broken`. */
function provenKey({ nkey, signature, nonce, client }: Presented): string | undefined {
  if (nkey === undefined) {
    return undefined;
  }
  const holds = nonce !== '' && isUserKey(nkey) && isSignedBy(nkey, nonce, signature ?? '');
  if (!holds) {
    throw meshError('proof_broken', { client, why: 'the nonce is not signed with the key it names' });
  }
  return nkey;
}

function ofCertificate(rules: IdentityRules, certificates: readonly string[], client: string): Proof {
  for (const pem of certificates) {
    const facts = readPem(pem);
    const who = facts === undefined ? undefined : identifyCertificate(rules.certificates, facts);
    if (facts !== undefined && who !== undefined) {
      return { ...who, how: 'certificate', untilMs: facts.untilMs };
    }
  }
  throw meshError('certificate_unknown', { client });
}

/** A name has one kind of proof: an issuer must not be able to give out the names of those who have keys. */
async function refuseTaken(register: Register, name: string): Promise<void> {
  if ((await register.ofName(name)) !== undefined) {
    throw meshError('name_taken', { name });
  }
}
