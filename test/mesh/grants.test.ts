import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Mesh } from '../../src/agent/index.js';
import { asOperator } from '../../src/cli/operator.js';
import { linkDigest } from '../../src/domain/grants/chain.js';
import type { Claims } from '../../src/domain/grants/claims.js';
import { runControl } from '../../src/control/run.js';
import { tempFolder } from '../../src/fabric/temp-folder.js';
import { readIssuer } from '../../src/fabric/issuer.js';
import { privateKeyOf, publicKeyOf } from '../../src/fabric/keys.js';
import { getBySeq, getLast } from '../../src/fabric/reader.js';
import { headersOf, rawHeaders } from '../../src/fabric/raw.js';
import { runGateway } from '../../src/gateway/run.js';
import { encodeHeaders } from '../../src/wire/headers.js';
import { readDecision, readOutcome } from '../../src/gateway/records.js';
import type { MeshError } from '../../src/wire/errors.js';
import { claimsFor, signNext, signRaw, type Member } from '../support/grants.js';
import { pace, startTestMesh, until, type TestMesh } from '../support/mesh.js';

const POLICY = `version: 1
roles:
  open: { call: ['>'], mayRoot: true }
  reporter: { call: ['stock.>', 'pay.>'], serve: ['report.>'] }
  stock: { serve: ['stock.>', 'pay.>', 'slow.>'] }
members: { boss: [open], reporter: [reporter], stock: [stock], late: [stock], clerk: [], weak: [] }
`;

let mesh: TestMesh;
let mint: Member;
let clerk: Mesh;
let running = 0;

const member = (name: string): Member => {
  const { seed } = mesh.credentials(name);
  return { name, seed, publicKey: publicKeyOf(seed, name), key: privateKeyOf(seed, name) };
};

beforeAll(async () => {
  const users = {
    boss: 'caller',
    clerk: 'caller',
    weak: 'caller',
    reporter: 'agent',
    stock: 'agent',
    late: 'agent',
  } as const;
  mesh = await startTestMesh({ users, policy: POLICY, gateways: 2 });
  const issuer = readIssuer(mesh.dir);
  const seed = issuer?.seed ?? '';
  mint = { name: 'mesh', seed, publicKey: issuer?.publicKey ?? '', key: privateKeyOf(seed, 'issuer') };
  clerk = await mesh.connect('clerk');
  const stock = await mesh.connect('stock', { concurrency: 64 });
  await stock.serveAll([
    { name: 'stock.read', options: { readOnly: true }, handler: () => ({ n: 1 }) },
    { name: 'stock.set', options: { idempotent: true }, handler: () => 'set' },
    { name: 'pay.bill', options: {}, handler: () => 'paid' },
    {
      name: 'slow.work',
      options: { readOnly: true },
      handler: (_, ctx) =>
        new Promise((_resolve, reject) => {
          running++;
          ctx.signal.addEventListener('abort', () => (running--, reject(new Error('stopped'))));
        }),
    },
    { name: 'slow.deaf', options: { readOnly: true }, handler: () => pace(6_000) },
  ]);
  const reporter = await mesh.connect('reporter');
  await reporter.serveAll([
    {
      name: 'report.make',
      options: { readOnly: true },
      handler: (what: { capability: string; body: unknown }, ctx) =>
        ctx.call(what.capability, what.body).then(
          () => 'completed',
          (err: MeshError) => `${err.code} ${String(err.details['who'] ?? '')}`,
        ),
    },
  ]);
});
afterAll(() => mesh.stop());

const grantFor = (name: string, more: Partial<Claims> = {}) =>
  signRaw(mint, claimsFor(member(name), { iss: 'mesh', sub: 'boss', ...more }));

/** `completed`, or `code link dimension` of the error. */
async function told(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'completed',
    (err: MeshError) =>
      [err.code, err.details['link'], err.details['dimension']].filter((x) => x !== undefined).join(' '),
  );
}

describe('a call with a grant', () => {
  test('may do what the role does not allow, and no more than the grant says', async () => {
    const grant = grantFor('clerk');
    expect(await told(clerk.call('stock.read'))).toBe('root_denied');
    expect(await told(clerk.call('stock.read', {}, { grant }))).toBe('completed');
    expect(await told(clerk.call('pay.bill', {}, { grant }))).toBe('grant_exceeded 1 capabilities');
    expect(await told(clerk.call('stock.set', {}, { grant }))).toBe('grant_exceeded 1 actions');
    expect(await told(clerk.call('stock.nothing', {}, { grant }))).toBe('capability_unknown');
    expect(await told(clerk.call('stock.read', {}, { grant: grantFor('clerk', { root: false }) }))).toBe(
      'root_denied',
    );
    const limited = grantFor('clerk', {
      can: ['stock.>'],
      actions: ['read', 'write'],
      args: [{ at: '/n', max: 5 }],
      labels: { team: ['a'] },
    });
    const labels = { team: 'a' };
    expect(await told(clerk.call('stock.set', { n: 5 }, { grant: limited, labels }))).toBe('completed');
    expect(
      await told(clerk.call('stock.set', { n: 5 }, { grant: limited, labels, encoding: 'msgpack' })),
    ).toBe('completed');
    expect(await told(clerk.call('stock.set', { n: 6 }, { grant: limited, labels }))).toBe(
      'grant_exceeded 1 arguments',
    );
    expect(
      await told(clerk.call('stock.set', { n: 5, x: 'y'.repeat(1_100_000) }, { grant: limited, labels })),
    ).toBe('grant_exceeded 1 arguments');
    expect(await told(clerk.call('stock.set', { n: 5 }, { grant: limited }))).toBe('grant_exceeded 1 labels');
  });

  test('stands in decision, ticket and outcome', async () => {
    const first = grantFor('clerk');
    const second = await clerk.delegate(first, {
      to: 'weak',
      ...keyOf('weak'),
      root: true,
      can: ['stock.read'],
    });
    const weak = await mesh.connect('weak', { grant: second });
    const { seq, call } = await weak.callForOutcome('stock.read');
    const stored = await getBySeq(mesh.operator, 'DECISIONS', seq);
    const record = stored === undefined ? undefined : readDecision(stored.headers);
    const [grant] = record?.grants ?? [];
    expect(grant).toMatchObject({ at: 0, holders: ['clerk', 'weak'], can: ['stock.read'] });
    expect(record?.proof).toMatchObject({ digest: linkDigest(second), issuer: 'mesh', principal: 'boss' });
    const outcome = await getLast(mesh.operator, 'OUTCOMES', `mesh.v1.settle.weak.${call}`);
    expect(outcome === undefined ? undefined : readOutcome(outcome.headers)?.grants).toEqual([
      grant?.ids.join('~'),
    ]);
  });

  test('is bound to its holder, its time, its issuer and its key', async () => {
    const weak = await mesh.connect('weak');
    const now = Math.floor(Date.now() / 1_000);
    const stolen = grantFor('clerk');
    expect(await told(weak.call('stock.read', {}, { grant: stolen }))).toBe('grant_holder 1 delegatee');
    const bad = [
      [grantFor('clerk', { iat: now - 60, exp: now - 1 }), 'grant_expired 1 expiry'],
      [grantFor('clerk', { nbf: now + 600 }), 'grant_early 1 start'],
      [grantFor('clerk', { iss: 'corp' }), 'grant_unproven 1 issuer'],
      [grantFor('clerk', { cnf: { kid: member('weak').publicKey } }), 'grant_holder 1 key'],
      [signRaw(member('clerk'), claimsFor(member('clerk'), { iss: 'mesh' })), 'grant_unproven 1 key'],
      [
        signRaw(mint, claimsFor(member('clerk'), { iss: 'mesh' }), { alg: 'none' }),
        'grant_unproven 1 algorithm',
      ],
      [flipped(stolen), 'grant_unproven 1 signature'],
      ['x'.repeat(5_000), 'grant_too_large 1 length'],
      [
        signNext(member('weak'), stolen, claimsFor(member('clerk'), { iss: 'weak', depth: 2 })),
        'grant_unproven 2 key',
      ],
      [
        signNext(
          member('clerk'),
          stolen,
          claimsFor(member('weak'), { iss: 'clerk', sub: 'boss', depth: 2, can: ['>'] }),
        ),
        'grant_widened 2 capabilities',
      ],
    ] as const;
    for (const [grant, want] of bad) {
      expect([want, await told(clerk.call('stock.read', {}, { grant }))]).toEqual([want, want]);
    }
    expect(await told(clerk.call('stock.read', {}, { grant: 'a b' }))).toBe('grant_unreadable 0 form');
  });

  test('child calls run under what everybody in the chain may do', async () => {
    const report = (grant: string, capability: string, body: object = {}, more: object = {}) =>
      clerk.call<string>('report.make', { capability, body, ...more }, { grant });
    // The reporter may itself pay; the clerk, who asks it to, may not.
    const any = grantFor('clerk', { can: ['report.make', 'stock.>'] });
    expect(await report(any, 'stock.read')).toBe('completed');
    expect(await report(any, 'pay.bill')).toBe('not_granted clerk');
    expect(await report(any, 'stock.set')).toBe('not_granted clerk');
    const few = grantFor('clerk', { can: ['report.make', 'stock.>'], args: [{ at: '/n', max: 5 }] });
    expect(await report(few, 'stock.read', { n: 5 }, { n: 5 })).toBe('completed');
    expect(await report(few, 'stock.read', { n: 6 }, { n: 5 })).toBe('not_granted clerk');
    // And a grant that is strong where the agent is weak lends it nothing.
    const strong = grantFor('clerk', { can: ['>'], actions: ['read', 'write', 'execute'] });
    expect(await report(strong, 'pay.bill')).toBe('completed');
    expect(await report(strong, 'slow.work')).toBe('not_granted reporter');
  });

  test('a control whose folder knows nobody takes no key away', async () => {
    const bare = tempFolder('capmesh-bare-');
    const other = await runControl({ ...mesh.as('control'), dir: bare.data });
    await mesh.control.stop(); // so that the other one leads
    const lead = () => mesh.operator.request('mesh.v1.view.operator.state', '{}', { timeout: 1_000 });
    await until(() => lead().then(Boolean, () => false));
    await pace(3_000); // longer than a lease and a look
    expect(await told(clerk.call('stock.read', {}, { grant: grantFor('clerk') }))).toBe('completed');
    mesh.control = await runControl({ ...mesh.as('control'), dir: mesh.dir });
    await other.stop();
    bare.remove();
  });

  test('ends its calls at its deadline', async () => {
    const grant = grantFor('clerk', { can: ['slow.>'], deadline: Date.now() + 700 });
    const began = Date.now();
    expect(await told(clerk.call('slow.work', {}, { grant }))).toBe('handler_failed');
    expect(Date.now() - began).toBeLessThan(5_000);
    await until(() => running === 0);
  });
});

describe('revoked', () => {
  const revoke = (what: { grant: string } | { holder: string }) =>
    asOperator({ data: mesh.dir, url: mesh.url }, [], (operator) => operator.command('revoke', what));
  const idOf = (grant: string): string =>
    (JSON.parse(Buffer.from(grant.split('.')[1] ?? '', 'base64url').toString()) as Claims).jti;

  test('running tasks are stopped, waiting ones never run, and what was derived falls with it', async () => {
    const root = grantFor('clerk', { can: ['slow.>'] });
    const derived = await clerk.delegate(root, { to: 'weak', ...keyOf('weak'), root: true });
    const weak = await mesh.connect('weak');
    const works = [
      ...Array.from({ length: 5 }, () => clerk.call('slow.work', {}, { grant: root })),
      ...Array.from({ length: 5 }, () => weak.call('slow.work', {}, { grant: derived })),
    ].map(ended);
    const deaf = ended(clerk.call('slow.deaf', {}, { grant: root, timeoutMs: 20_000 }));
    await until(() => running === 10);
    await revoke({ grant: idOf(root) });
    expect(await Promise.all(works)).toEqual(Array(10).fill('cancelled grant_revoked'));
    expect(running).toBe(0);
    expect(await deaf).toBe('unknown grant_revoked');
    expect(await told(clerk.call('slow.work', {}, { grant: root }))).toBe('grant_revoked 1 revocation');
    expect(await told(weak.call('slow.work', {}, { grant: derived }))).toBe('grant_revoked 1 revocation');
    expect(await told(clerk.call('stock.read', {}, { grant: grantFor('clerk') }))).toBe('completed');
  });

  test('a parked call keeps its grant, and is refused when that falls meanwhile', async () => {
    const serve = async () => {
      const late = await mesh.connect('late');
      await late.serve('stock.late', { readOnly: true }, () => 'late');
      return late;
    };
    const parked = async () =>
      (await mesh.operator.request('$JS.API.STREAM.INFO.PARKED', '')).json<{ state: { messages: number } }>()
        .state.messages;
    await (await serve()).close();
    const [kept, fallen] = [grantFor('clerk'), grantFor('clerk')];
    const works = [kept, fallen].map((grant) =>
      ended(clerk.call('stock.late', {}, { grant, timeoutMs: 20_000 })),
    );
    await until(async () => (await parked()) === 2);
    await revoke({ grant: idOf(fallen) });
    const back = await serve(); // a parked call is judged again when somebody may be free
    expect(await Promise.all(works)).toEqual(['completed', 'refused grant_revoked']);
    await back.close();
  });

  test('a call that another gateway took over falls too', async () => {
    const grant = grantFor('clerk', { can: ['slow.>'] });
    const works = Array.from({ length: 8 }, () => ended(clerk.call('slow.work', {}, { grant })));
    await until(() => running === 8);
    await mesh.gateways[0]?.stop(0); // what it holds is adopted
    await revoke({ grant: idOf(grant) });
    expect(await Promise.all(works)).toEqual(Array(8).fill('cancelled grant_revoked'));
    mesh.gateways[0] = await runGateway({ ...mesh.as('gateway'), sight: {} });
  });

  test('an ask is judged like a call', async () => {
    const nc = await mesh.broker('clerk');
    const ask = async (grant: string): Promise<string> => {
      const headers = rawHeaders(encodeHeaders([['Mesh-Grant', grant]]));
      const said = await nc.request('mesh.v1.ask.clerk.stock.read', '{}', { headers, timeout: 5_000 });
      return headersOf(said).get('Nats-Service-Error-Code') ?? 'completed';
    };
    const grant = grantFor('clerk');
    expect(await ask(grant)).toBe('completed');
    await revoke({ grant: idOf(grant) });
    await until(async () => (await ask(grant)) === 'grant_revoked');
  });

  test('a delegation alone leaves what it was made from', async () => {
    const root = grantFor('clerk');
    const derived = await clerk.delegate(root, { to: 'weak', ...keyOf('weak'), root: true });
    const weak = await mesh.connect('weak');
    expect(await told(weak.call('stock.read', {}, { grant: derived }))).toBe('completed');
    await revoke({ grant: idOf(derived.split('~')[1] ?? '') });
    await until(
      async () =>
        (await told(weak.call('stock.read', {}, { grant: derived }))) === 'grant_revoked 2 revocation',
    );
    expect(await told(clerk.call('stock.read', {}, { grant: root }))).toBe('completed');
  });

  test('everything that a holder was given until now, and not what it is given later', async () => {
    const before = grantFor('weak');
    const weak = await mesh.connect('weak');
    expect(await told(weak.call('stock.read', {}, { grant: before }))).toBe('completed');
    await revoke({ holder: 'weak' });
    await until(
      async () =>
        (await told(weak.call('stock.read', {}, { grant: before }))) === 'grant_revoked 1 revocation',
    );
    const after = grantFor('weak', { iat: Math.floor(Date.now() / 1_000) + 1 });
    expect(await told(weak.call('stock.read', {}, { grant: after }))).toBe('completed');
  });

  test('nobody but control writes it, and only an operator commands it', async () => {
    const attacker = await mesh.broker('weak');
    const denied: string[] = [];
    void (async () => {
      for await (const status of attacker.status()) {
        if (status.type === 'error') {
          denied.push(String(status.error));
        }
      }
    })();
    attacker.publish('$KV.mesh_grants.revoked.id.x', '{}');
    attacker.publish('$KV.mesh_grants.issuer.mesh', member('weak').publicKey);
    attacker.publish('mesh.v1.admin.operator.revoke', '{"holder":"boss"}');
    attacker.publish('mesh.v1.admin.weak.revoke', '{"holder":"boss"}');
    await until(() => denied.length === 4);
    expect(await told(clerk.call('stock.read', {}, { grant: grantFor('clerk') }))).toBe('completed');
  });
});

/** The same with another signature. */
function flipped(grant: string): string {
  const at = grant.length - 20;
  return grant.slice(0, at) + (grant[at] === 'A' ? 'B' : 'A') + grant.slice(at + 1);
}

function keyOf(name: string): { key: string } {
  return { key: member(name).publicKey };
}

/** `status code` of what a call ends with. */
async function ended(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'completed',
    (err: MeshError) => `${err.status} ${err.code}`,
  );
}
