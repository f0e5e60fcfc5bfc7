/**
 * Grants: stolen, forged, spliced, widened with valid signatures, old, and more than they say.
 */
import type { Claims } from '../../../src/domain/grants/claims.js';
import { createUserKey, privateKeyOf } from '../../../src/fabric/keys.js';
import { scan } from '../../../src/fabric/reader.js';
import { claimsFor, signNext, signRaw, type Member } from '../../support/grants.js';
import { createHmac } from 'node:crypto';
import { anyOf, allOf, type Attack } from '../attack.js';
import { believesAlg, signedByAnybody } from '../naive-jwt.js';
import { answerTo } from '../wire.js';
import { fresh, told, until, type World } from '../world.js';

/** A grant of the mesh for this member, in the name of boss. */
function grantFor(w: World, name: string, more: Partial<Claims> = {}, issuer = w.member('mesh')): string {
  const good = { iss: issuer.name, sub: 'boss', can: ['stock.>'], actions: ['read', 'write'] as const };
  return signRaw(issuer, claimsFor(w.member(name), { ...good, actions: [...good.actions], ...more }));
}

/** A link from clerk to temp behind a grant of clerk's: honest, unless `more` says otherwise. */
function delegated(w: World, before: string, more: Partial<Claims> = {}, by = w.member('clerk')): string {
  const good = {
    iss: 'clerk',
    sub: 'boss',
    can: ['stock.>'],
    actions: ['read' as const, 'write' as const],
    depth: 2,
  };
  return signNext(by, before, claimsFor(w.member('temp'), { ...good, ...more }));
}

/** Does a call with this grant run? */
async function works(
  w: World,
  who: string,
  grant: string,
  capability = 'stock.set',
  more: object = {},
  options: object = {},
): Promise<boolean> {
  const n = w.town.next();
  const { code } = await told(w.sdk(who).call(capability, { n, ...more }, { grant, ...options }));
  w.note(`${who}: ${code}`);
  return w.town.ran(n) > 0;
}

const honest = (w: World): Promise<boolean> => works(w, 'clerk', grantFor(w, 'clerk'));
const honestPair = (w: World): Promise<boolean> => works(w, 'temp', delegated(w, grantFor(w, 'clerk')));

const admin = async (w: World, what: string, body: object): Promise<void> => {
  await answerTo(w.mesh.operator, `mesh.v1.admin.operator.${what}`, JSON.stringify(body), {}, 5_000);
};
const idOf = (grant: string, link = 0): string =>
  (JSON.parse(Buffer.from(grant.split('~')[link]?.split('.')[1] ?? '', 'base64url').toString()) as Claims)
    .jti;

/** A grant that says it is unsigned, and one that is signed with the public key as a secret. */
function swapped(w: World): { unsigned: string; hmac: string } {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const kid = w.member('mesh').publicKey;
  const head = (alg: string) => part({ alg, typ: 'mesh-grant+jwt', kid });
  const claims = part(
    claimsFor(w.member('clerk'), { iss: 'mesh', sub: 'boss', can: ['stock.>'], actions: ['write'] }),
  );
  const text = `${head('HS256')}.${claims}`;
  const mac = createHmac('sha256', kid).update(text).digest('base64url');
  return { unsigned: `${head('none')}.${claims}.`, hmac: `${text}.${mac}` };
}

const now = (): number => Math.floor(Date.now() / 1_000);

export const grants: Attack[] = [
  {
    id: 'use-anothers-grant',
    position: 'stolen',
    attack: 'Present the text of a grant that was made for somebody else.',
    mechanism:
      'A grant is bound to its holder, by name and key, and counts only from the connection of that member',
    enforcedBy: 'gateway',
    attempt: (w) => works(w, 'temp', grantFor(w, 'clerk')),
    control: honest,
    naive: {
      where: 'where a grant is a bearer token',
      attempt: (w) => Promise.resolve(signedByAnybody(grantFor(w, 'clerk'))),
    },
  },
  {
    id: 'cut-off-the-last-link',
    position: 'former',
    attack: 'Cut the narrowing link off a delegation and present what it was made from.',
    mechanism: 'Whoever presents a grant must be the holder of its last link',
    enforcedBy: 'gateway',
    attempt: (w) => {
      const whole = delegated(w, grantFor(w, 'clerk'), { can: ['stock.read'] });
      return works(w, 'temp', whole.slice(0, whole.indexOf('~')));
    },
    control: honestPair,
  },
  {
    id: 'issue-grants-oneself',
    position: 'caller',
    attack:
      'Sign a grant with a key of one’s own, under the name of an issuer, or of an issuer that is none.',
    mechanism:
      'Issuers stand in the policy by name and key; the key of a link is found by its exact kid, never in the token',
    enforcedBy: 'gateway',
    attempt: (w) => {
      const own = createUserKey();
      const fake: Member = { name: 'mesh', ...own, key: privateKeyOf(own.seed, 'own') };
      const issued = (iss: string, head: object = {}) =>
        signRaw(
          fake,
          claimsFor(w.member('clerk'), { iss, sub: 'boss', can: ['stock.>'], actions: ['write'] }),
          { ...head },
        );
      const byClerk = signRaw(
        w.member('clerk'),
        claimsFor(w.member('clerk'), { iss: 'mesh', sub: 'boss', can: ['>'], actions: ['write'] }),
      );
      return anyOf(
        [
          issued('mesh'),
          issued('mesh', { kid: w.member('mesh').publicKey }),
          issued('nobody'),
          issued('boss'),
          issued('mesh', { jwk: { kty: 'OKP', crv: 'Ed25519', x: 'x' } }),
          byClerk,
        ],
        (grant) => works(w, 'clerk', grant),
      );
    },
    control: (w) =>
      allOf([w.member('mesh'), w.corp], (issuer) => works(w, 'clerk', grantFor(w, 'clerk', {}, issuer))),
  },
  {
    id: 'swap-the-algorithm',
    position: 'caller',
    attack:
      'Say in the header of a grant that it is unsigned, or signed with HMAC and the public key as the secret.',
    mechanism: 'Grants know one algorithm; what the header says is compared, never followed',
    enforcedBy: 'gateway',
    attempt: (w) => {
      const { unsigned, hmac } = swapped(w);
      return anyOf([unsigned, hmac, grantFor(w, 'clerk').replace(/\.[^.]+$/, '.')], (grant) =>
        works(w, 'clerk', grant),
      );
    },
    control: honest,
    naive: {
      where: 'with a verifier that believes alg',
      attempt: (w) =>
        allOf(Object.values(swapped(w)), (token) =>
          Promise.resolve(believesAlg(token, w.member('mesh').publicKey)),
        ),
    },
  },
  {
    id: 'change-a-claim',
    position: 'stolen',
    attack: 'Change one claim of a grant, or one bit of its signature.',
    mechanism: 'The signature covers header and claims as they are told; nothing is made canonical first',
    enforcedBy: 'gateway',
    attempt: (w) => {
      const grant = grantFor(w, 'clerk', { can: ['stock.read'] });
      const [head = '', body = '', signature = ''] = grant.split('.');
      const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Claims;
      const wider = Buffer.from(JSON.stringify({ ...claims, can: ['>'] })).toString('base64url');
      const flipped = (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1);
      return anyOf(
        [
          `${head}.${wider}.${signature}`,
          `${head}.${Buffer.from(JSON.stringify({ ...claims, can: ['stock.>'] })).toString('base64url')}.${flipped}`,
        ],
        (text) => works(w, 'clerk', text),
      );
    },
    control: honest,
  },
  {
    id: 'grant-out-of-time',
    position: 'former',
    attack: 'Present a grant that has expired, has not begun, or says nothing of its end.',
    mechanism: 'A grant counts between its start and its expiry, by the clock of the gateway',
    enforcedBy: 'gateway',
    attempt: (w) =>
      anyOf(
        [
          { iat: now() - 600, exp: now() - 1 },
          { nbf: now() + 600 },
          { exp: undefined as never },
          { exp: now() + 40 * 86_400 },
        ],
        (more) => works(w, 'clerk', grantFor(w, 'clerk', more)),
      ),
    control: honest,
  },
  {
    id: 'widen-a-delegation',
    position: 'pair',
    attack:
      'Sign a delegation that says more than its grant: capabilities, actions, arguments, labels, budget, deadline, expiry, start, depth, root, principal.',
    mechanism: 'Every link is held against the one before in each dimension; wider in one is no grant',
    enforcedBy: 'gateway',
    attempt: (w) => {
      const before = grantFor(w, 'clerk', {
        can: ['stock.set'],
        actions: ['read', 'write'],
        args: [{ at: '/n', min: 0 }],
        labels: { team: ['a'] },
        budget: { usd: 5 },
        deadline: Date.now() + 60_000,
        nbf: now() - 10,
        depth: 1,
        root: true,
      });
      const same: Partial<Claims> = {
        can: ['stock.set'],
        args: [{ at: '/n', min: 0 }],
        labels: { team: ['a'] },
        budget: { usd: 5 },
        deadline: Date.now() + 50_000,
        nbf: now() - 10,
        depth: 0,
        exp: now() + 3_000,
      };
      const wider: Partial<Claims>[] = [
        { can: ['stock.>'] },
        { can: ['*.set'] },
        { actions: ['read', 'write', 'execute'] },
        { args: [] },
        { args: [{ at: '/n', min: -1 }] },
        { labels: {} },
        { labels: { team: ['a', 'b'] } },
        { budget: { usd: 6 } },
        { deadline: Date.now() + 600_000 },
        { exp: now() + 36_000 },
        { nbf: now() - 600 },
        { depth: 1 },
        { sub: 'alice' },
      ];
      return anyOf(wider, (more) =>
        works(
          w,
          'temp',
          delegated(w, before, { ...same, ...more }),
          'stock.set',
          {},
          { labels: { team: 'a' } },
        ),
      );
    },
    control: (w) => {
      const before = grantFor(w, 'clerk', { can: ['stock.>'], args: [{ at: '/n', min: 0 }], depth: 1 });
      return works(
        w,
        'temp',
        delegated(w, before, { can: ['stock.set'], args: [{ at: '/n', min: 1 }], depth: 0 }),
      );
    },
    naive: {
      where: 'where only signatures are checked',
      attempt: (w) =>
        Promise.resolve(
          signedByAnybody(delegated(w, grantFor(w, 'clerk', { can: ['stock.read'] }), { can: ['>'] })),
        ),
    },
  },
  {
    id: 'splice-links',
    position: 'pair',
    attack: 'Put a link behind another grant, change the order of links, leave one out, say one twice.',
    mechanism: 'A link has the digest of the one before it',
    enforcedBy: 'gateway',
    attempt: (w) => {
      const small = grantFor(w, 'clerk', { can: ['stock.read'] });
      const large = grantFor(w, 'clerk', { can: ['stock.>'] });
      const [, link = ''] = delegated(w, small, { can: ['stock.read'] }).split('~');
      const [first = '', second = ''] = delegated(w, large).split('~');
      return anyOf(
        [
          `${large}~${link}`,
          `${second}~${first}`,
          `${first}~${second}~${second}`,
          second,
          `${first}~${first}`,
        ],
        (grant) => works(w, 'temp', grant),
      );
    },
    control: honestPair,
    naive: {
      where: 'where links are checked one by one',
      attempt: (w) => {
        const small = delegated(w, grantFor(w, 'clerk', { can: ['stock.read'] }), { can: ['stock.read'] });
        return Promise.resolve(signedByAnybody(`${grantFor(w, 'clerk')}~${small.split('~')[1] ?? ''}`));
      },
    },
  },
  {
    id: 'delegate-anothers-grant',
    position: 'pair',
    attack: 'Delegate a grant that somebody else holds, signing the link with one’s own key.',
    mechanism: 'A link is signed with the key that cnf of the link before names',
    enforcedBy: 'gateway',
    attempt: (w) =>
      anyOf([w.member('temp'), w.member('mallory')], (by) =>
        works(w, 'temp', delegated(w, grantFor(w, 'clerk'), { iss: by.name }, by)),
      ),
    control: honestPair,
  },
  {
    id: 'unknown-claims',
    position: 'caller',
    attack:
      'Put claims and critical headers into a grant that this version does not know, so that a limit is passed over.',
    mechanism: 'A claim or a header that is not known is refused, not ignored',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const odd = claimsFor(w.member('clerk'), {
        iss: 'mesh',
        sub: 'boss',
        can: ['stock.>'],
        actions: ['write'],
      });
      return anyOf(
        [
          signRaw(w.member('mesh'), { ...odd, only: 'on mondays' }),
          signRaw(w.member('mesh'), odd, { crit: ['b64'], b64: false }),
          signRaw(w.member('mesh'), { ...odd, args: [{ at: '/n', odd: 1 }] }),
        ],
        (grant) => works(w, 'clerk', grant),
      );
    },
    control: honest,
  },
  {
    id: 'grant-without-end',
    position: 'caller',
    attack: 'Present a grant of megabytes or of a hundred links.',
    mechanism: 'Grants have a bound on bytes and links, looked at before any signature',
    enforcedBy: 'gateway',
    attempt: (w) => {
      const long = Array.from({ length: 100 }, () => grantFor(w, 'clerk')).join('~');
      return anyOf(
        [
          long.slice(0, 15_000),
          'x'.repeat(12_000),
          grantFor(w, 'clerk', { can: Array.from({ length: 500 }, (_, i) => `stock.${i}`) }),
        ],
        (grant) => works(w, 'clerk', grant),
      );
    },
    control: honest,
  },
  {
    id: 'exceed-a-grant',
    position: 'caller',
    attack:
      'Do more than the grant says: another capability, another action, other arguments, without its labels.',
    mechanism: 'A call must be covered by the last link in every dimension',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const limited = grantFor(w, 'clerk', {
        can: ['stock.set'],
        args: [
          { at: '/n', min: 0 },
          { at: '/to', oneOf: ['a'] },
        ],
        labels: { team: ['a'] },
      });
      const labels = { team: 'a' };
      return (
        (await works(w, 'clerk', grantFor(w, 'clerk'), 'pay.out')) ||
        (await works(w, 'clerk', grantFor(w, 'clerk', { actions: ['read'] }))) ||
        (await works(w, 'clerk', limited, 'stock.set', { to: 'b' }, { labels })) ||
        (await works(w, 'clerk', limited, 'stock.set', {}, { labels })) ||
        (await works(w, 'clerk', limited, 'stock.set', { to: 'a' }))
      );
    },
    control: (w) =>
      works(
        w,
        'clerk',
        grantFor(w, 'clerk', {
          can: ['stock.set'],
          args: [{ at: '/to', oneOf: ['a'] }],
          labels: { team: ['a'] },
        }),
        'stock.set',
        { to: 'a' },
        { labels: { team: 'a' } },
      ),
  },
  {
    id: 'hide-the-arguments',
    position: 'caller',
    attack: 'Send the arguments where a constraint cannot see them: as raw bytes, or by reference.',
    mechanism: 'A body that cannot be read when it is decided satisfies no constraint',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const limited = grantFor(w, 'clerk', {
        can: ['body.blob', 'stock.set'],
        actions: ['read', 'write', 'execute'],
        args: [{ at: '/n', max: 0 }],
      });
      const before = w.town.runs.length;
      await told(w.sdk('clerk').call('body.blob', Buffer.from('{"n":5000}'), { grant: limited }));
      await told(
        w.sdk('clerk').call('stock.set', { n: 5_000, pad: 'x'.repeat(1_100_000) }, { grant: limited }),
      );
      return w.town.runs
        .slice(before)
        .some(({ capability }) => capability === 'body.blob' || capability === 'stock.set');
    },
    control: (w) => works(w, 'clerk', grantFor(w, 'clerk', { args: [{ at: '/n', min: 0 }] })),
  },
  {
    id: 'grant-as-a-root',
    position: 'caller',
    attack: 'Begin calls of one’s own with a grant that is only for tasks of others.',
    mechanism: 'Only a grant that says root begins a tree',
    enforcedBy: 'gateway',
    attempt: (w) => works(w, 'clerk', grantFor(w, 'clerk', { root: false })),
    control: honest,
  },
  {
    id: 'lend-power-to-a-weak-agent',
    position: 'pair',
    attack: 'Hand an agent a strong grant, so that it does for one what the agent itself may not.',
    mechanism: 'A grant covers its holder in the chain, never the agents below',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const strong = grantFor(w, 'clerk', { can: ['>'], actions: ['read', 'write', 'execute'] });
      const n = w.town.next();
      await told(
        w.sdk('clerk').call('shop.via', { capability: 'evil.echo', body: { n } }, { grant: strong }),
      );
      return w.town.ran(n) > 0;
    },
    control: async (w) => {
      const strong = grantFor(w, 'clerk', { can: ['>'], actions: ['read', 'write', 'execute'] });
      const n = w.town.next();
      await told(w.sdk('clerk').call('shop.via', { capability: 'pay.out', body: { n } }, { grant: strong }));
      return w.town.ran(n) === 1;
    },
  },
  {
    id: 'work-past-the-grant',
    position: 'former',
    attack: 'Begin something long under a grant and go on after the deadline that it sets.',
    mechanism:
      'The deadline of a grant shortens that of every call under it, and its tasks are stopped there',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const call = fresh();
      const deadline = Date.now() + 600;
      const grant = grantFor(w, 'clerk', { deadline });
      const pending = told(w.sdk('clerk').call('stock.work', {}, { id: call, grant, timeoutMs: 20_000 }));
      await w.town.task(call);
      const { status } = await pending;
      return status === 'completed' || Date.now() > deadline + 3_000;
    },
    control: async (w) => {
      const call = fresh();
      const pending = told(w.sdk('clerk').call('stock.work', {}, { id: call, grant: grantFor(w, 'clerk') }));
      await w.town.task(call);
      await w.town.release(call);
      return (await pending).status === 'completed';
    },
  },
  {
    id: 'use-a-revoked-grant',
    position: 'former',
    attack: 'Present a grant after it was revoked.',
    mechanism: 'Revocations reach every gateway within a moment and are looked up at every call',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const grant = grantFor(w, 'clerk');
      const before = await works(w, 'clerk', grant);
      await admin(w, 'revoke', { grant: idOf(grant) });
      await until(async () => !(await works(w, 'clerk', grant)), 1_000).catch(() => undefined);
      return !before || (await works(w, 'clerk', grant));
    },
    control: honest,
    naive: {
      where: 'with a verifier that keeps no list',
      attempt: (w) => Promise.resolve(signedByAnybody(grantFor(w, 'clerk'))),
    },
  },
  {
    id: 'derive-before-it-falls',
    position: 'pair',
    attack: 'Delegate a grant to an accomplice before it is revoked, and go on with what was derived.',
    mechanism: 'What was made from a grant falls with it: every id of the chain is looked up',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const grant = grantFor(w, 'clerk');
      const derived = delegated(w, grant);
      const before = await works(w, 'temp', derived);
      await admin(w, 'revoke', { grant: idOf(grant) });
      await until(async () => !(await works(w, 'temp', derived)), 1_000).catch(() => undefined);
      return !before || (await works(w, 'temp', derived));
    },
    control: honestPair,
  },
  {
    id: 'run-on-after-revocation',
    position: 'former',
    attack: 'Begin a task under a grant, and let it run on when the grant is revoked.',
    mechanism: 'Tasks that run under what was revoked are stopped, and their calls end as cancelled',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const call = fresh();
      const grant = grantFor(w, 'clerk');
      const pending = told(w.sdk('clerk').call('stock.work', {}, { id: call, grant }));
      await w.town.task(call);
      await admin(w, 'revoke', { grant: idOf(grant) });
      return (await pending).status !== 'cancelled';
    },
    control: async (w) => {
      const call = fresh();
      const pending = told(w.sdk('clerk').call('stock.work', {}, { id: call, grant: grantFor(w, 'clerk') }));
      await w.town.task(call);
      await admin(w, 'revoke', { grant: idOf(grantFor(w, 'clerk')) }); // of another one
      await w.town.release(call);
      return (await pending).status === 'completed';
    },
  },
  {
    id: 'grant-in-the-books',
    position: 'operator',
    attack: 'Read the texts of grants out of the records of decisions and outcomes.',
    mechanism: 'Records keep ids and a digest of a grant, never its text',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const grant = grantFor(w, 'clerk');
      await works(w, 'clerk', grant);
      return (await found(w, grant.split('.')[2] ?? '')) > 0;
    },
    control: async (w) => {
      const grant = grantFor(w, 'clerk');
      await works(w, 'clerk', grant);
      return (await found(w, idOf(grant))) > 0;
    },
  },
  {
    id: 'grants-of-a-former-holder',
    position: 'former',
    attack: 'Go on with grants after all that this member holds was revoked.',
    mechanism: 'A revocation of a holder has an instant: what was issued to it before counts no more',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const old = signRaw(
        w.member('mesh'),
        claimsFor(w.member('temp'), {
          iss: 'mesh',
          sub: 'boss',
          can: ['stock.>'],
          actions: ['write'],
          iat: now() - 5,
        }),
      );
      const before = await works(w, 'temp', old);
      await admin(w, 'revoke', { holder: 'temp' });
      await until(async () => !(await works(w, 'temp', old)), 1_000).catch(() => undefined);
      return !before || (await works(w, 'temp', old));
    },
    control: async (w) => until(() => works(w, 'temp', grantFor(w, 'temp', { iat: now() + 1 })), 3_000), // one that was made later
  },
];

/** How many records of decisions and outcomes hold this text. */
async function found(w: World, text: string): Promise<number> {
  let count = 0;
  for (const stream of ['DECISIONS', 'OUTCOMES']) {
    await scan(w.mesh.operator, stream, {}, ({ headers, body }) => {
      const all = `${['Mesh-Record', 'Mesh-Outcome', 'Mesh-Grant'].map((name) => headers.get(name) ?? '').join(' ')} ${Buffer.from(body).toString()}`;
      count += Number(all.includes(text));
      return undefined;
    });
  }
  return count;
}
