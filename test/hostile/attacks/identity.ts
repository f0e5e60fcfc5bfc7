/**
 * Proofs: tokens that are almost right, keys of others, invitations used twice, sessions that should be over.
 */
import { createHmac, randomBytes } from 'node:crypto';
import {
  calculateJwkThumbprint,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  importJWK,
  SignJWT,
  UnsecuredJWT,
  type CryptoKey,
} from 'jose';
import { createUserKey, rawPublic } from '../../../src/fabric/keys.js';
import { enrolDigest, enrolPrefix } from '../../../src/wire/enrolment.js';
import { anyOf, type Attack } from '../attack.js';
import type { LoginWorld, Proof } from '../login.js';
import { believesAlg } from '../naive-jwt.js';
import { answerTo, heard, say, settled } from '../wire.js';
import { until, type World } from '../world.js';

type In = (login: LoginWorld) => Promise<boolean>;
const at =
  (act: In) =>
  async (w: World): Promise<boolean> =>
    act(await w.login());

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1_000) + seconds;
const entersWith = (l: LoginWorld, tokens: readonly (string | Promise<string>)[]): Promise<boolean> =>
  anyOf(tokens, async (token) => l.enters({ token: await token }));
const anyClaims = (...list: object[]) =>
  at((l) =>
    entersWith(
      l,
      list.map((more) => l.token(more)),
    ),
  );
const goodToken = at(async (l) => l.enters({ token: await l.oidc.token('shop') }));
const stranger = () => generateKeyPair('ES256', { extractable: true });

/** A token whose header says HMAC, signed with the public key of the issuer as everybody can read it. */
async function hmacToken(l: LoginWorld): Promise<{ token: string; secret: string }> {
  const key = await importJWK(l.oidc.publicJwk, 'ES256', { extractable: true });
  const secret = await exportSPKI(key as CryptoKey);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256', kid: 'k1', typ: 'at+jwt' })}.${part(l.claims())}`;
  return { token: `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`, secret };
}

/** An invitation for a name; the token that is handed over. */
async function invite(l: LoginWorld, agent: string, lifeMs = 60_000): Promise<string> {
  const token = enrolPrefix + randomBytes(32).toString('base64url');
  await l.admin('enrol', { agent, role: 'agent', digest: enrolDigest(token), until: Date.now() + lifeMs });
  return token;
}
const asNewcomer = (token: string, seed = createUserKey().seed): Proof => ({ token, seed, as: 'newcomer' });
const goodInvitation = at(async (l) => l.enters(asNewcomer(await invite(l, 'newcomer'))));

export const identity: Attack[] = [
  {
    id: 'token-algorithm',
    position: 'outsider',
    attack:
      'Make a token that says it is unsigned, is signed with the public key as a secret, or with an algorithm of one’s own choice.',
    mechanism: 'Each issuer has a list of asymmetric algorithms, and the token must use one of them',
    enforcedBy: 'identity',
    attempt: at(async (l) => {
      const { privateKey } = await generateKeyPair('ES384');
      const other = new SignJWT(l.claims()).setProtectedHeader({ alg: 'ES384', kid: 'k1' }).sign(privateKey);
      return entersWith(l, [new UnsecuredJWT(l.claims()).encode(), (await hmacToken(l)).token, other]);
    }),
    control: goodToken,
    naive: {
      where: 'with a verifier that believes alg',
      attempt: at(async (l) => {
        const { token, secret } = await hmacToken(l);
        return believesAlg(token, secret) && believesAlg(new UnsecuredJWT(l.claims()).encode(), secret);
      }),
    },
  },
  {
    id: 'token-with-its-own-key',
    position: 'outsider',
    attack: 'Bring the key along: jwk, jku or x5c in the header of the token.',
    mechanism: 'Keys come from the issuer that the rules name, found by exact kid; the header brings none',
    enforcedBy: 'identity',
    attempt: at(async (l) => {
      const { privateKey, publicKey } = await stranger();
      const jwk = await exportJWK(publicKey);
      const signed = (header: Record<string, unknown>) => l.oidc.sign(l.claims(), header, privateKey);
      return entersWith(l, [
        signed({ kid: 'mine', jwk }),
        signed({ jwk }),
        signed({ kid: 'x', jku: `${l.oidc.issuer}/other` }),
        signed({ kid: undefined as never, jwk }),
      ]);
    }),
    control: goodToken,
    naive: {
      where: 'with a verifier that takes the key of the header',
      attempt: at(async (l) => {
        const { privateKey, publicKey } = await stranger();
        const token = await l.oidc.sign(l.claims(), { jwk: await exportJWK(publicKey) }, privateKey);
        const { jwtVerify, EmbeddedJWK } = await import('jose');
        return (await jwtVerify(token, EmbeddedJWK).catch(() => undefined)) !== undefined;
      }),
    },
  },
  {
    id: 'token-changed',
    position: 'stolen',
    attack: 'Change claims or signature of a token, or sign it with another key under a known kid.',
    mechanism: 'The signature of a token is verified over its bytes, with the key of the issuer',
    enforcedBy: 'identity',
    attempt: at(async (l) => {
      const [head = '', body = '', signature = ''] = (await l.token()).split('.');
      const wider = Buffer.from(JSON.stringify(l.claims({ sub: 'stock' }))).toString('base64url');
      const flipped = (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1);
      const foreign = l.oidc.sign(l.claims(), {}, (await stranger()).privateKey);
      return entersWith(l, [
        `${head}.${wider}.${signature}`,
        `${head}.${body}.${flipped}`,
        `${head}.${body}.`,
        foreign,
        'a.b.c',
      ]);
    }),
    control: goodToken,
  },
  {
    id: 'token-out-of-time',
    position: 'former',
    attack: 'Show a token that has ended, has not begun, or never ends.',
    mechanism: 'A token must say its end, and counts only until then',
    enforcedBy: 'identity',
    attempt: anyClaims(
      { exp: inSeconds(-60) },
      { exp: undefined },
      { nbf: inSeconds(120) },
      { exp: 'never' },
    ),
    control: goodToken,
  },
  {
    id: 'token-for-others',
    position: 'stolen',
    attack: 'Show a token that was made for another service.',
    mechanism: 'The audience of the mesh must be in the token',
    enforcedBy: 'identity',
    attempt: anyClaims(
      { aud: 'urn:other' },
      { aud: undefined },
      { aud: ['urn:other', 'urn:capmesh2'] },
      { aud: 'urn:CAPMESH' },
    ),
    control: goodToken,
  },
  {
    id: 'token-of-another-issuer',
    position: 'outsider',
    attack: 'Show a token whose issuer is like ours, nobody, or somebody else.',
    mechanism: 'Issuers are listed, and compared letter by letter',
    enforcedBy: 'identity',
    attempt: at(async (l) =>
      entersWith(
        l,
        [
          { iss: 'https://login.example' },
          { iss: `${l.oidc.issuer}/` },
          { iss: undefined },
          { iss: l.oidc.issuer.replace('http', 'HTTP') },
        ].map((more) => l.token(more)),
      ),
    ),
    control: goodToken,
  },
  {
    id: 'token-with-unknown-demands',
    position: 'outsider',
    attack: 'Show a token with a critical header that the reader does not know.',
    mechanism: 'A critical header that is not understood refuses the token',
    enforcedBy: 'identity',
    attempt: at(async (l) => {
      const [, body = '', signature = ''] = (await l.token()).split('.');
      const head = Buffer.from(
        JSON.stringify({ alg: 'ES256', kid: 'k1', crit: ['b64'], b64: false }),
      ).toString('base64url');
      return entersWith(l, [`${head}.${body}.${signature}`]);
    }),
    control: goodToken,
  },
  {
    id: 'token-names-a-subject',
    position: 'outsider',
    attack:
      'Have a login whose name holds wildcards, dots or the name of a part of the mesh, so that its rights grow.',
    mechanism: 'A name from a claim must fit the grammar of names, behind the prefix of its issuer',
    enforcedBy: 'identity',
    attempt: anyClaims(
      { client_id: 'a.b.>' },
      { client_id: '*' },
      { client_id: ['shop'] },
      { client_id: undefined },
      { client_id: '' },
      { client_id: 'shop gateway' },
    ),
    control: goodToken,
  },
  {
    id: 'token-asks-for-a-role',
    position: 'caller',
    attack: 'Have a login that says gateway, control or operator.',
    mechanism: 'Proofs give caller, agent or viewer, and only by a map that the rules write out',
    enforcedBy: 'identity',
    attempt: anyClaims(
      { sub: 'operator' },
      { sub: 'gateway' },
      { sub: 'control' },
      { sub: '__proto__' },
      { sub: 'constructor' },
    ),
    control: goodToken,
  },
  {
    id: 'token-takes-a-name',
    position: 'caller',
    attack: 'Get a token whose name is that of a member with a key.',
    mechanism: 'A name has one kind of proof: what has a key cannot be claimed by a token',
    enforcedBy: 'identity',
    attempt: at(async (l) => l.enters({ token: await l.token({ client_id: 'taken' }), as: 'o-taken' })),
    control: at((l) => l.enters({ seed: l.mesh.credentials('o-taken').seed, as: 'o-taken' })),
  },
  {
    id: 'bound-token-without-its-key',
    position: 'stolen',
    attack: 'Show a stolen token that is bound to a key (cnf), without the key, or with another one.',
    mechanism: 'A bound token counts only on a connection that proves that key too',
    enforcedBy: 'identity',
    attempt: at(async (l) => {
      const { token } = await boundToken(l);
      return anyOf([{ token }, { token, seed: createUserKey().seed }], (proof) => l.enters(proof));
    }),
    control: at(async (l) => {
      const { token, seed } = await boundToken(l);
      return l.enters({ token, seed });
    }),
    naive: {
      where: 'with a token that is not bound',
      attempt: goodToken,
    },
  },
  {
    id: 'bad-token-good-key',
    position: 'former',
    attack: 'Put a key that is right beside a token that is not, and hope for whichever lets one in.',
    mechanism: 'A proof that is shown must hold; another one beside it does not make it good',
    enforcedBy: 'identity',
    attempt: at(async (l) =>
      l.enters({
        seed: l.mesh.credentials('me').seed,
        token: await l.token({ exp: inSeconds(-60) }),
        as: 'me',
      }),
    ),
    control: at((l) => l.enters({ seed: l.mesh.credentials('me').seed, as: 'me' })),
  },
  {
    id: 'token-of-a-megabyte',
    position: 'outsider',
    attack: 'Show a token of kilobytes to megabytes, so that every try costs.',
    mechanism: 'A connect line is at most 4 KB, and a token shorter than that',
    enforcedBy: 'broker',
    attempt: at(async (l) =>
      entersWith(l, [l.token({ pad: 'x'.repeat(2_650) }), l.token({ pad: 'x'.repeat(60_000) })]),
    ),
    control: goodToken,
  },
  {
    id: 'invented-keys',
    position: 'outsider',
    attack: 'Show tokens with ever new kids, so that the mesh floods the issuer with questions.',
    mechanism: 'Keys are kept, and unknown ones are asked for ever more seldom',
    enforcedBy: 'identity',
    attempt: at(async (l) => {
      const before = l.oidc.keysAsked;
      await anyOf(
        Array.from({ length: 20 }, (_, i) => i),
        async (i) => l.enters({ token: await l.token({}, { kid: `invented-${i}` }) }),
      );
      return l.oidc.keysAsked - before > 3;
    }),
    control: goodToken,
    naive: {
      where: 'where each unknown key is asked for',
      attempt: at(async (l) => {
        const before = l.oidc.keysAsked;
        for (let i = 0; i < 5; i++) {
          await fetch(`${l.oidc.issuer}/jwks`);
        }
        return l.oidc.keysAsked - before > 3;
      }),
    },
  },
  {
    id: 'no-proof',
    position: 'outsider',
    attack:
      'Connect to a mesh with identity without a proof, with a key that nobody knows, or with a password.',
    mechanism: 'Whom identity does not know, the server does not let in',
    enforcedBy: 'identity',
    attempt: at((l) =>
      anyOf([{}, { seed: createUserKey().seed }, { token: 'operator' }, { token: '' }], (proof) =>
        l.enters({ ...proof, as: 'me' }),
      ),
    ),
    control: at((l) => l.enters({ seed: l.mesh.credentials('me').seed, as: 'me' })),
  },
  {
    id: 'guess-an-invitation',
    position: 'outsider',
    attack: 'Make up an enrolment token, use one that has ended, or show one without a key.',
    mechanism: 'Invitations are 256 random bits, kept as digests, with an end, and good only for a key',
    enforcedBy: 'identity',
    attempt: at(async (l) => {
      const short = await invite(l, 'newcomer', 1);
      const proofs = [
        asNewcomer(enrolPrefix + randomBytes(32).toString('base64url')),
        asNewcomer(enrolPrefix),
        asNewcomer(short),
        { token: await invite(l, 'newcomer'), as: 'newcomer' },
      ];
      return anyOf(proofs, (proof) => l.enters(proof));
    }),
    control: goodInvitation,
  },
  {
    id: 'use-an-invitation-twice',
    position: 'stolen',
    attack: 'Use an enrolment token again with another key, or with many at the same moment.',
    mechanism: 'An invitation is used up by the first key, with one compare-and-set',
    enforcedBy: 'identity',
    attempt: at(async (l) => {
      const token = await invite(l, 'newcomer');
      const all = await Promise.all(Array.from({ length: 6 }, () => l.open(asNewcomer(token))));
      const inside = all.filter((nc) => nc !== undefined);
      await Promise.all(inside.map((nc) => nc.close()));
      return inside.length > 1 || (await l.enters(asNewcomer(token)));
    }),
    control: goodInvitation,
  },
  {
    id: 'enrol-a-gateway',
    position: 'operator',
    attack: 'Invite a gateway, a control or an operator.',
    mechanism: 'Roles of the mesh itself have keys in the configuration of the server; no command makes one',
    enforcedBy: 'control',
    attempt: at((l) =>
      anyOf(['gateway', 'control', 'operator', 'identity'], async (role) => {
        const token = enrolPrefix + randomBytes(32).toString('base64url');
        await l.admin('enrol', {
          agent: 'newcomer',
          role,
          digest: enrolDigest(token),
          until: Date.now() + 60_000,
        });
        return l.enters(asNewcomer(token));
      }),
    ),
    control: goodInvitation,
  },
  {
    id: 'the-key-before',
    position: 'former',
    attack: 'Come back with the key that a name had before it was enrolled again.',
    mechanism: 'A name has one key: enrolling it again makes the old one nobody’s',
    enforcedBy: 'identity',
    attempt: at(async (l) => {
      const [old, now] = [createUserKey(), createUserKey()];
      const joined = await l.enters(asNewcomer(await invite(l, 'newcomer'), old.seed));
      await l.enters(asNewcomer(await invite(l, 'newcomer'), now.seed));
      return !joined || (await l.enters({ seed: old.seed, as: 'newcomer' }));
    }),
    control: at(async (l) => {
      const { seed } = createUserKey();
      await l.enters(asNewcomer(await invite(l, 'newcomer'), seed));
      return l.enters({ seed, as: 'newcomer' });
    }),
  },
  {
    id: 'stay-after-revocation',
    position: 'former',
    attack: 'Stay connected after the name was revoked.',
    mechanism: 'A revocation cuts the connections of the name',
    enforcedBy: 'control',
    attempt: at(async (l) => {
      const nc = await l.open({ token: await l.oidc.token('out'), as: 'o-out' });
      await l.admin('revoke', { agent: 'o-out' });
      const cut = await until(() => nc?.isClosed() === true, 3_000).catch(() => false);
      await nc?.close();
      return nc === undefined || !cut;
    }),
    control: at(async (l) => {
      const nc = await l.open({ token: await l.oidc.token('shop'), as: 'o-shop' });
      await l.admin('revoke', { agent: 'o-out' });
      const stays = nc !== undefined && !nc.isClosed() && (await nc.flush().then(() => true));
      await nc?.close();
      return stays;
    }),
  },
  {
    id: 'return-after-revocation',
    position: 'former',
    attack: 'Come back under a revoked name with a fresh token.',
    mechanism: 'A revoked name is refused whatever it proves; that is read from the leader at every connect',
    enforcedBy: 'identity',
    attempt: at(async (l) => {
      await l.admin('revoke', { agent: 'o-out' });
      return l.enters({ token: await l.oidc.token('out'), as: 'o-out' });
    }),
    control: at(async (l) => {
      await l.admin('reinstate', { agent: 'o-out' });
      return l.enters({ token: await l.oidc.token('out'), as: 'o-out' });
    }),
  },
  {
    id: 'outlive-the-token',
    position: 'former',
    attack: 'Stay connected after the token that let one in has ended.',
    mechanism: 'A session is signed with the end of its proof, and the server cuts it there',
    enforcedBy: 'broker',
    attempt: at(async (l) => {
      const token = await l.token({ client_id: 'short', sub: 'short', exp: inSeconds(2) });
      const nc = await l.open({ token, as: 'o-short' });
      const cut = await until(() => nc?.isClosed() === true, 5_000).catch(() => false);
      await nc?.close();
      return nc === undefined || !cut;
    }),
    control: at(async (l) =>
      l.enters({ token: await l.token({ client_id: 'short', sub: 'short' }), as: 'o-short' }),
    ),
  },
  {
    id: 'play-identity',
    position: 'agent',
    attack: 'Hear the questions of the server about who connects, and answer them oneself.',
    mechanism: 'Only identity may hear them and answer, and answers are signed with a key that only it has',
    enforcedBy: 'broker',
    attempt: at(async (l) => {
      const worker = await l.mesh.broker('worker');
      const got = await heard(worker, '$SYS.REQ.USER.AUTH', undefined, async () => {
        await say(worker, '$SYS._INBOX.guess.1', 'answer');
        await l.enters({ as: 'me' });
        await settled(worker);
      });
      const asked = await answerTo(worker, '$SYS.REQ.USER.AUTH', '{}', {}, 300);
      await worker.close();
      return got.length > 0 || asked !== undefined;
    }),
    control: goodToken,
  },
];

/** A token bound to a key, and the key. */
async function boundToken(l: LoginWorld): Promise<{ token: string; seed: string }> {
  const { seed, publicKey } = createUserKey();
  const x = Buffer.from(rawPublic(publicKey) ?? []).toString('base64url');
  const jkt = await calculateJwkThumbprint({ kty: 'OKP', crv: 'Ed25519', x });
  return { token: await l.token({ cnf: { jkt } }), seed };
}
