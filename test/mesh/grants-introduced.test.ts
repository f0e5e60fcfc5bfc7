import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Mesh } from '../../src/agent/index.js';
import { asOperator } from '../../src/cli/operator.js';
import { linkDigest } from '../../src/domain/grants/chain.js';
import type { Claims } from '../../src/domain/grants/claims.js';
import { GrantBook } from '../../src/domain/grants/book.js';
import type { NatsConnection } from '../../src/fabric/connection.js';
import { readIssuer } from '../../src/fabric/issuer.js';
import { privateKeyOf, publicKeyOf } from '../../src/fabric/keys.js';
import { getBySeq } from '../../src/fabric/reader.js';
import { headersOf, rawHeaders } from '../../src/fabric/raw.js';
import { beforehand } from '../../src/gateway/beforehand.js';
import type { Core } from '../../src/gateway/core.js';
import { readDecision } from '../../src/gateway/records.js';
import type { MeshError } from '../../src/wire/errors.js';
import { encodeHeaders } from '../../src/wire/headers.js';
import { limits } from '../../src/wire/limits.js';
import { newCallId } from '../../src/wire/ulid.js';
import { claimsFor, signNext, signRaw, type Member } from '../support/grants.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';

const POLICY = `version: 1
roles:
  open: { call: ['>'], mayRoot: true }
  reporter: { call: ['stock.>', 'pay.>'], serve: ['report.>'] }
  stock: { serve: ['stock.>', 'pay.>'] }
members: { boss: [open], reporter: [reporter], stock: [stock], clerk: [], weak: [], many: [] }
`;

let mesh: TestMesh;
let mint: Member;
let clerk: Mesh;
let clerkNc: NatsConnection;
let weakNc: NatsConnection;
let running = 0;
/** Tickets of the tasks that the reporter had, newest last. */
const tickets: string[] = [];

const member = (name: string): Member => {
  const { seed } = mesh.credentials(name);
  return { name, seed, publicKey: publicKeyOf(seed, name), key: privateKeyOf(seed, name) };
};
const grantFor = (name: string, more: Partial<Claims> = {}) =>
  signRaw(mint, claimsFor(member(name), { iss: 'mesh', sub: 'boss', ...more }));
const seconds = () => Math.floor(Date.now() / 1_000);
const revoke = (grant: string) => {
  const { jti } = JSON.parse(Buffer.from(grant.split('.')[1] ?? '', 'base64url').toString()) as Claims;
  return asOperator({ data: mesh.dir, url: mesh.url }, [], (operator) =>
    operator.command('revoke', { grant: jti }),
  );
};

beforeAll(async () => {
  const users = {
    boss: 'caller',
    clerk: 'caller',
    weak: 'caller',
    many: 'caller',
    reporter: 'agent',
    stock: 'agent',
  } as const;
  mesh = await startTestMesh({ users, policy: POLICY, gateways: 2 });
  const issuer = readIssuer(mesh.dir);
  const seed = issuer?.seed ?? '';
  mint = { name: 'mesh', seed, publicKey: issuer?.publicKey ?? '', key: privateKeyOf(seed, 'issuer') };
  [clerk, clerkNc, weakNc] = await Promise.all([
    mesh.connect('clerk'),
    mesh.broker('clerk'),
    mesh.broker('weak'),
  ]);
  const stock = await mesh.connect('stock', { concurrency: 64 });
  await stock.serveAll([
    { name: 'stock.read', options: { readOnly: true }, handler: () => ({ n: 1 }) },
    { name: 'pay.bill', options: { readOnly: true }, handler: () => 'paid' },
    {
      name: 'stock.slow',
      options: { readOnly: true },
      handler: (_, ctx) =>
        new Promise((_resolve, reject) => {
          running++;
          ctx.signal.addEventListener('abort', () => (running--, reject(new Error('stopped'))));
        }),
    },
  ]);
  mesh.operator.subscribe('mesh.v1.task.reporter.>', {
    callback: (_, msg) => void tickets.push(headersOf(msg).get('Mesh-Ticket') ?? ''),
  });
  const reporter = await mesh.connect('reporter');
  await reporter.serveAll([
    {
      name: 'report.make',
      options: { readOnly: true },
      handler: (what: { capability: string }, ctx) =>
        ctx.call(what.capability, {}).then(
          () => 'completed',
          (err: MeshError) => `${err.code} ${String(err.details['who'] ?? '')}`,
        ),
    },
  ]);
});
afterAll(() => mesh.stop());

/** `completed`, or `code link dimension` of the error. */
async function told(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'completed',
    (err: MeshError) =>
      [err.code, err.details['link'], err.details['dimension']].filter((x) => x !== undefined).join(' '),
  );
}

/** What the mesh says to an introduction: its digest, or the code of the error. */
async function introduce(nc: NatsConnection, who: string, text: string): Promise<string> {
  const said = await nc.request(`mesh.v1.introduce.${who}`, text, { timeout: 5_000 });
  const code = headersOf(said).get('Nats-Service-Error-Code');
  return code ?? said.json<{ digest: string }>().digest;
}

/** The code that a raw ask with this header ends with. */
async function ask(nc: NatsConnection, who: string, more: Record<string, string>, capability = 'stock.read') {
  const headers = rawHeaders(encodeHeaders(Object.entries(more)));
  const said = await nc.request(`mesh.v1.ask.${who}.${capability}`, '{}', { headers, timeout: 5_000 });
  return headersOf(said).get('Nats-Service-Error-Code') ?? 'completed';
}

const askWith = (nc: NatsConnection, who: string, grant: string) => ask(nc, who, { 'Mesh-Grant': grant });

async function grantsOf(seq: number) {
  const stored = await getBySeq(mesh.operator, 'DECISIONS', seq);
  return stored === undefined ? undefined : readDecision(stored.headers)?.grants;
}

/** Call with the SDK until it presents the digest; returns the last decision's grants. */
async function untilIntroduced(caller: Mesh, grant: string) {
  return await until(async () => {
    const { seq } = await caller.callForOutcome('stock.read', {}, { grant });
    const grants = await grantsOf(seq);
    return grants?.[0]?.digest === undefined ? undefined : grants;
  });
}

describe('a grant that was introduced', () => {
  test('is named by its digest by the SDK, and stands in the decision as before', async () => {
    const first = grantFor('clerk');
    const second = signNext(member('clerk'), first, {
      ...claimsFor(member('weak'), { iss: 'clerk', sub: 'boss', depth: 1 }),
    });
    const weak = await mesh.connect('weak');
    const [grant] = await untilIntroduced(weak, second);
    expect(grant).toMatchObject({ at: 0, holders: ['clerk', 'weak'], digest: linkDigest(second) });
    expect(grant?.ids).toHaveLength(2);
  });

  test('binds child calls below tasks to what its holder may do', async () => {
    const grant = grantFor('clerk', { can: ['report.make', 'stock.read'] });
    await untilIntroduced(clerk, grant);
    const report = (capability: string) => clerk.call<string>('report.make', { capability }, { grant });
    expect(await report('stock.read')).toBe('completed');
    expect(await report('pay.bill')).toBe('not_granted clerk');
  });

  test('stops what runs under it when it is revoked, at every depth, and is refused at every gateway', async () => {
    const grant = grantFor('clerk', { can: ['report.make', 'stock.>'] });
    await untilIntroduced(clerk, grant);
    const works = [
      clerk.call('stock.slow', {}, { grant }),
      // What the child call ended with is the value of this one, unless it is stopped before it can say so.
      clerk.call('report.make', { capability: 'stock.slow' }, { grant }).then((value) => {
        throw Object.assign(new Error(), { code: value, details: {} });
      }),
    ].map((work) => told(work));
    await until(() => running === 2);
    await revoke(grant);
    expect((await Promise.all(works)).every((end) => end.startsWith('grant_revoked'))).toBe(true);
    await until(() => running === 0);
    const digest = linkDigest(grant);
    const asks = await Promise.all(Array.from({ length: 16 }, () => askWith(clerkNc, 'clerk', digest)));
    expect(new Set(asks)).toEqual(new Set(['grant_revoked']));
    expect(await introduce(clerkNc, 'clerk', grant)).toBe('grant_revoked');
  });

  test('is heard of before it is judged by a gateway that was not told yet', async () => {
    const grant = grantFor('clerk');
    const digest = await introduce(clerkNc, 'clerk', grant);
    const grants = new GrantBook(() => new Map());
    const core = { nc: mesh.operator, grants } as unknown as Core;
    const read = (headers: Record<string, string>) =>
      beforehand(core, {
        from: 'clerk',
        capability: 'stock.read',
        headers: new Map(Object.entries(headers)),
        body: new Uint8Array(0),
      });
    await read({ 'Mesh-Ticket': `{"introduced":[{"at":0,"digest":"${'x'.repeat(43)}"}]}.mac` });
    expect(grants.introduced.size).toBe(0);
    await read({ 'Mesh-Ticket': `{"introduced":[{"at":0,"digest":"${digest}"}]}.mac` });
    expect(grants.introduced.get(digest)).toEqual({ holder: 'clerk', grant });
    expect(read({ 'Mesh-Grant': digest })).toBeUndefined();
  });

  test('is over when its time is over', async () => {
    const grant = grantFor('clerk', { exp: seconds() + 2 });
    const digest = await introduce(clerkNc, 'clerk', grant);
    expect(await askWith(clerkNc, 'clerk', digest)).toBe('completed');
    await until(async () => (await askWith(clerkNc, 'clerk', digest)) === 'grant_expired');
  });

  test('is presented as a text again by the SDK once the mesh keeps it no more', async () => {
    const grant = grantFor('clerk');
    await untilIntroduced(clerk, grant);
    const other = grantFor('clerk');
    const digest = await introduce(clerkNc, 'clerk', other);
    const control = await mesh.broker('control');
    for (const gone of [linkDigest(grant), digest]) {
      const headers = rawHeaders(encodeHeaders([['KV-Operation', 'DEL']]));
      await control.request(`$KV.mesh_grants.introduced.${gone}`, '', { headers, timeout: 5_000 });
    }
    // Whoever proved it before may go on with it; where it was never presented nobody knows it.
    await until(async () => (await askWith(clerkNc, 'clerk', digest)) === 'grant_unknown');
    const calls = () => told(clerk.call('stock.read', {}, { grant }));
    await until(async () => (await calls()) === 'completed');
    expect(await calls()).toBe('completed');
  });
});

describe('an attacker', () => {
  test('has nothing of the digest of somebody else, and introduces nothing for others', async () => {
    const grant = grantFor('clerk');
    const digest = await introduce(clerkNc, 'clerk', grant);
    expect(digest).toBe(linkDigest(grant));
    expect(await askWith(clerkNc, 'clerk', digest)).toBe('completed');
    expect(await askWith(weakNc, 'weak', digest)).toBe('grant_holder');
    expect(await introduce(weakNc, 'weak', grant)).toBe('grant_holder');
    expect(await askWith(weakNc, 'weak', linkDigest(`${grant}~`))).toBe('grant_unknown');
    expect(await askWith(weakNc, 'weak', 'introduced.>'.padEnd(43, 'x'))).toBe('grant_unreadable');
  });

  test('introduces nothing that would not be believed in a call', async () => {
    const good = grantFor('clerk');
    const bad = [
      ['', 'grant_unreadable'],
      ['null', 'grant_unreadable'],
      [linkDigest(good), 'grant_unknown'],
      ['x'.repeat(limits.grantBytes + 1), 'grant_too_large'],
      [Array(9).fill(good).join('~'), 'grant_too_large'],
      [grantFor('clerk', { iat: seconds() - 60, exp: seconds() - 1 }), 'grant_expired'],
      [grantFor('clerk', { nbf: seconds() + 600 }), 'grant_early'],
      [signRaw(member('clerk'), claimsFor(member('clerk'), { iss: 'mesh' })), 'grant_unproven'],
      [signRaw(mint, claimsFor(member('clerk'), { iss: 'mesh' }), { alg: 'none' }), 'grant_unproven'],
      [
        signNext(
          member('clerk'),
          good,
          claimsFor(member('weak'), { iss: 'clerk', sub: 'boss', depth: 2, can: ['>'] }),
        ),
        'grant_widened',
      ],
    ] as const;
    for (const [text, want] of bad) {
      expect([want, await introduce(clerkNc, 'clerk', text)]).toEqual([want, want]);
    }
  });

  test('fills no more than its own share, and its calls with texts go on', async () => {
    const nc = await mesh.broker('many');
    const grants = Array.from({ length: limits.grantsIntroducedEach + 20 }, () => grantFor('many'));
    const said = await Promise.all(grants.map((grant) => introduce(nc, 'many', grant)));
    const kept = said.filter((answer) => answer !== 'grant_not_kept');
    // Two gateways that have not heard of each other's yet may keep a share each.
    expect(kept.length).toBeGreaterThanOrEqual(limits.grantsIntroducedEach);
    expect(kept.length).toBeLessThanOrEqual(2 * limits.grantsIntroducedEach);
    await until(async () => (await introduce(nc, 'many', grantFor('many'))) === 'grant_not_kept');
    const again = grants.find((grant) => linkDigest(grant) === kept[0]) ?? '';
    expect(await introduce(nc, 'many', again)).toBe(kept[0]);
    expect(await askWith(nc, 'many', grantFor('many'))).toBe('completed');
    const other = grantFor('clerk');
    expect(await introduce(clerkNc, 'clerk', other)).toBe(linkDigest(other));
  });

  test('cannot make a ticket name another grant', async () => {
    const few = grantFor('clerk', { can: ['report.make', 'stock.read'] });
    const wanted = await introduce(clerkNc, 'clerk', grantFor('clerk', { can: ['>'] }));
    await untilIntroduced(clerk, few);
    tickets.length = 0;
    await clerk.call('report.make', { capability: 'stock.read' }, { grant: few });
    const ticket = await until(() => tickets[0]);
    expect(ticket).toContain(linkDigest(few));
    const nc = await mesh.broker('reporter');
    const child = (text: string, capability: string, more: Record<string, string> = {}) =>
      ask(nc, 'reporter', { 'Mesh-Ticket': text, ...more }, capability);
    expect(await child(ticket, 'stock.read')).toBe('completed');
    expect(await child(ticket, 'pay.bill')).toBe('not_granted');
    expect(await child(ticket, 'pay.bill', { 'Mesh-Grant': wanted })).toBe('grant_holder');
    expect(await child(ticket.replace(linkDigest(few), wanted), 'pay.bill')).toBe('ticket_invalid');
  });

  test('writes nothing into the bucket, and introduces nothing under another name', async () => {
    const denied: string[] = [];
    void (async () => {
      for await (const status of weakNc.status()) {
        if (status.type === 'error') {
          denied.push(String(status.error));
        }
      }
    })();
    const grant = grantFor('clerk');
    const value = JSON.stringify({ holder: 'weak', grant });
    weakNc.publish(`$KV.mesh_grants.introduced.${linkDigest(grant)}`, value);
    weakNc.publish('mesh.v1.introduce.clerk', grant, { reply: `_INBOX.weak.${newCallId()}` });
    await until(() => denied.length === 2);
    weakNc.publish('mesh.v1.introduce.weak', grantFor('weak'), { reply: 'mesh.v1.cancel.clerk.x' });
    expect(await askWith(clerkNc, 'clerk', linkDigest(grant))).toBe('grant_unknown');
  });
});
