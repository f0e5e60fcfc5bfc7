/** Grants and rules of the policy together: a rule binds what a grant allows, and a grant is no way around a rule. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Mesh, MeshError } from '../../src/agent/index.js';
import type { Claims } from '../../src/domain/grants/claims.js';
import { readIssuer } from '../../src/fabric/issuer.js';
import { privateKeyOf, publicKeyOf } from '../../src/fabric/keys.js';
import { claimsFor, signRaw, type Member } from '../support/grants.js';
import { startTestMesh, type TestMesh } from '../support/mesh.js';

const POLICY = `version: 1
roles:
  open: { call: ['>'], mayRoot: true }
  guest: { mayRoot: true }
  bank: { serve: ['pay.>'] }
members: { boss: [open], clerk: [guest], bank: [bank] }
rules:
  - name: no-gold
    match: { capability: ['pay.>'] }
    when: has(args.currency) && args.currency == "XAU"
    effect: deny
  - name: small-for-guests
    match: { capability: ['pay.transfer'], role: [guest] }
    when: args.amount < 10
    effect: allow
`;

let mesh: TestMesh;
let clerk: Mesh;
let grant = '';

beforeAll(async () => {
  mesh = await startTestMesh({ users: { boss: 'caller', clerk: 'caller', bank: 'agent' }, policy: POLICY });
  const issuer = readIssuer(mesh.dir);
  const seed = issuer?.seed ?? '';
  const mint: Member = {
    name: 'mesh',
    seed,
    publicKey: issuer?.publicKey ?? '',
    key: privateKeyOf(seed, 'issuer'),
  };
  const own = mesh.credentials('clerk').seed;
  const holder: Member = {
    name: 'clerk',
    seed: own,
    publicKey: publicKeyOf(own, 'clerk'),
    key: privateKeyOf(own, 'clerk'),
  };
  const what: Partial<Claims> = { iss: 'mesh', sub: 'boss', can: ['pay.>'], actions: ['read', 'write'] };
  grant = signRaw(mint, claimsFor(holder, { ...what, args: [{ at: '/amount', max: 100 }] }));
  const bank = await mesh.connect('bank');
  const options = { idempotent: true };
  await bank.serveAll(
    ['pay.transfer', 'pay.other'].map((name) => ({ name, options, handler: () => 'paid' })),
  );
  clerk = await mesh.connect('clerk');
});
afterAll(() => mesh.stop());

test.each([
  { call: 'pay.transfer', body: { amount: 5 }, with: false, code: 'completed' },
  { call: 'pay.transfer', body: { amount: 50 }, with: false, code: 'policy_unmet' },
  { call: 'pay.transfer', body: { amount: 50 }, with: true, code: 'completed' },
  { call: 'pay.transfer', body: { amount: 5, currency: 'XAU' }, with: true, code: 'policy_denied' },
  { call: 'pay.transfer', body: { amount: 500 }, with: true, code: 'policy_unmet' },
  { call: 'pay.other', body: { amount: 50 }, with: true, code: 'completed' },
  { call: 'pay.other', body: { amount: 500 }, with: true, code: 'grant_exceeded' },
  { call: 'pay.other', body: { amount: 5 }, with: false, code: 'not_granted' },
])('$call $body, with a grant: $with: $code', async ({ call, body, with: presented, code }) => {
  const options = presented ? { grant } : {};
  const told = await clerk.call(call, body, options).then(
    () => 'completed',
    (err: MeshError) => err.code,
  );
  expect(told).toBe(code);
});
