/**
 * Files of owners on a running mesh: control follows them like the main file, a broken one changes nothing, and a push
 * brings them along.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Mesh, MeshError } from '../../src/agent/index.js';
import type { Log } from '../../src/wire/log.js';
import { silent } from '../../src/wire/log.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { ask } from '../support/views.js';

const MAIN = `version: 1
roles:
  user: { call: ['shop.>'], mayRoot: true }
  bank: { serve: ['>'] }
members: { me: [user], bank: [bank] }
owners:
  payments: { file: teams/payments.yaml, capabilities: ['pay.>'], may: [deny], roles: ['pay-*'], members: [me] }
`;
const team = (rule: string): string => `version: 1
roles: { pay-clerk: { call: ['pay.>'] } }
members: { me: [pay-clerk] }
rules: [{ name: ${rule}, effect: deny, when: has(args.odd) }]
`;

let mesh: TestMesh;
let me: Mesh;
const errors: string[] = [];
const log = { ...silent, error: (line: { err?: string }) => void errors.push(line.err ?? '') } as Log;

beforeAll(async () => {
  mesh = await startTestMesh({ users: { me: 'caller', bank: 'agent' }, log });
  mkdirSync(join(mesh.dir, 'teams'));
  writeTeam(team('first'));
  writeFileSync(mesh.policyFile, MAIN);
  const bank = await mesh.connect('bank');
  await bank.serve('pay.transfer', () => ({}));
  await bank.serve('shop.order', () => ({}));
  me = await mesh.connect('me');
});
afterAll(() => mesh.stop());

const writeTeam = (text: string): void => writeFileSync(join(mesh.dir, 'teams', 'payments.yaml'), text);
/** What stands in the error of a call that the rule of the team refuses. */
const refusing = (capability = 'pay.transfer') =>
  me.call(capability, { odd: 1 }).then(
    () => 'completed',
    (err: MeshError) => err.details['rule'] ?? err.code,
  );

test('control follows the file of a team, and decisions name its rules after it', async () => {
  await until(async () => (await refusing()) === 'payments/first');
  expect(await refusing('shop.order')).toBe('completed');
  writeTeam(team('second'));
  await until(async () => (await refusing()) === 'payments/second');
});

test('a broken file of a team changes nothing, and the error names file, line and owner', async () => {
  const wide = team('third').replace("'pay.>'", "'shop.>'");
  for (const [text, why] of [
    [wide, /teams\/payments\.yaml:2:.*owner payments: shop\.> is not in its capabilities/],
    ['version: [', /teams\/payments\.yaml:1:.*owner payments/],
  ] as const) {
    errors.length = 0;
    writeTeam(text);
    await until(() => errors.some((one) => why.test(one)));
    expect(await refusing()).toBe('payments/second');
  }
  writeTeam(team('mended'));
  await until(async () => (await refusing()) === 'payments/mended');
});

test('a push brings the files along, and without one it is refused', async () => {
  const push = (files: object) =>
    ask<{ digest?: string; code?: string }>(mesh.operator, 'admin.operator.policy', { policy: MAIN, files });
  expect((await push({})).code).toBe('config_invalid');
  expect((await push({ 'teams/payments.yaml': team('pushed') })).digest).toHaveLength(16);
  await until(async () => (await refusing()) === 'payments/pushed');
});
