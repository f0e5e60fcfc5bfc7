/**
 * Files of owners on a running mesh: control follows them like the main file, a broken one changes nothing, and a push
 * brings them along. And a candidate beside the live policy: differences are told, and nothing is decided by it.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Mesh, MeshError } from '../../src/agent/index.js';
import type { Log } from '../../src/wire/log.js';
import type { ShadowPage } from '../../src/control/shadow.js';
import type { ShadowReport } from '../../src/domain/shadow.js';
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
  mesh = await startTestMesh({ users: { me: 'caller', eve: 'caller', bank: 'agent' }, log });
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

describe('a candidate beside the live policy', () => {
  const LIVE = `version: 1
roles:
  user: { call: ['pay.>', 'shop.>'], mayRoot: true }
  guest: { mayRoot: true }
  boss: {}
  bank: { serve: ['>'] }
members: { me: [user], eve: [guest], bank: [bank] }
rules:
  - { name: no-gold, effect: deny, match: { capability: ['pay.>'] }, when: has(args.gold) }
  - { name: large, effect: hold, match: { capability: ['pay.>'] }, when: 'has(args.n) && args.n > 9.0', approvers: [boss], expires: 1s }
`;
  const CANDIDATE = LIVE.replace(
    'guest: { mayRoot: true }',
    "guest: { call: ['pay.transfer'], mayRoot: true }",
  )
    .replace('no-gold, effect: deny, match: {', 'no-gold, effect: deny, match: { from: [bank],')
    .replace('args.n > 9.0', 'args.n > 5.0')
    .replace(
      'rules:',
      "rules:\n  - { name: odd, effect: deny, match: { capability: ['shop.>'] }, when: args.missing == 1 }",
    );
  const admin = (what: string, body: object) =>
    ask<{ digest: string; code?: string }>(mesh.operator, `admin.operator.${what}`, body);
  const page = () => ask<ShadowPage>(mesh.operator, 'view.operator.shadow', {});
  const codeOf = (call: Promise<unknown>): Promise<string> =>
    call.then(
      () => 'completed',
      (err: MeshError) => err.code,
    );
  const judgedBy = async (policy: string, more: object = {}): Promise<void> => {
    const { digest } = await admin('shadow', { policy, ...more });
    await until(async () => (await page()).report?.candidate === digest);
  };
  const reported = (fits: (report: ShadowReport) => boolean): Promise<ShadowReport> =>
    until(async () => {
      const { report } = await page();
      return report !== undefined && fits(report) && report;
    });

  beforeAll(async () => {
    const { digest } = await admin('policy', { policy: LIVE });
    await admin('shadow', { policy: LIVE });
    await until(async () => (await page()).report?.live === digest);
  });

  test('differences are told by what both say, and the live policy decides', async () => {
    await judgedBy(CANDIDATE);
    const eve = await mesh.connect('eve');
    const said = await Promise.all([
      codeOf(me.call('pay.transfer', { n: 1 })),
      codeOf(me.call('pay.transfer', { n: 7 })),
      codeOf(me.call('pay.transfer', { n: 70 })),
      codeOf(me.call('pay.transfer', { gold: 1 })),
      codeOf(me.call('shop.order', {})),
      codeOf(me.call('shop.order', {})),
      codeOf(eve.call('pay.transfer', {})),
      codeOf(eve.call('shop.order', {})),
    ]);
    expect(said).toEqual([
      ...['completed', 'completed', 'approval_expired', 'policy_denied'],
      ...['completed', 'completed', 'not_granted', 'not_granted'],
    ]);
    const report = await reported(({ differ }) => differ === 5);
    const rows = report.rows.map(
      ({ from, capability, live, candidate, count, calls }) =>
        `${from} ${capability}: ${live.said} ${live.rules.join()} → ${candidate.said} ${candidate.code ?? ''} ${candidate.rules.join()} ${candidate.needs ?? ''} ×${count} (${calls.length})`,
    );
    expect(rows.toSorted()).toEqual([
      'eve pay.transfer: deny  → allow    ×1 (1)',
      'me pay.transfer: allow  → hold  large 1 of boss ×1 (1)',
      'me pay.transfer: deny no-gold → allow    ×1 (1)',
      'me shop.order: allow  → deny policy_error odd  ×2 (2)',
    ]);
    expect([report.same, report.skipped, report.unjudged, report.more]).toEqual([3, 0, 0, 0]);
    const metrics = (await mesh.gateways[0]?.sight.metrics())?.text ?? '';
    expect(metrics).toMatch(/mesh_shadow_differences_total\{.*live="allow",candidate="deny".*\} 2/);
  });

  test('one that takes too much is not judged to the end, and calls do not wait for it', async () => {
    const loop = 'args.list.all(x, args.list.all(y, x + y >= 0.0))';
    await judgedBy(LIVE.replace('rules:', `rules:\n  - { name: slow, effect: deny, when: '${loop}' }`));
    const body = { list: Array.from({ length: 400 }, (_, i) => i) };
    const calls = Array.from({ length: 50 }, () => me.call('shop.order', body));
    const began = performance.now();
    expect((await Promise.all(calls.map(codeOf))).filter((code) => code !== 'completed')).toEqual([]);
    const tookMs = performance.now() - began;
    const report = await reported(({ unjudged }) => unjudged > 0);
    expect([report.differ, report.same]).toEqual([0, 0]);
    expect(tookMs).toBeLessThan(5_000);
  });

  test('a part of the calls, a broken one, and none', async () => {
    await judgedBy(CANDIDATE, { share: 0.000001 });
    await me.call('shop.order', {});
    expect((await page()).report).toMatchObject({ same: 0, differ: 0 });
    expect((await admin('shadow', { policy: 'version: 1\nrules: 7' })).code).toBe('config_invalid');
    expect((await admin('shadow', { policy: CANDIDATE, share: 2 })).code).toBe('schema_violation');
    await admin('shadow', {});
    expect(await page()).toEqual({ gateways: 0 });
  });

  test('a candidate that is put in force is none any more', async () => {
    await judgedBy(CANDIDATE);
    await admin('policy', { policy: CANDIDATE });
    expect(await page()).toEqual({ gateways: 0 });
    await until(async () => (await codeOf(me.call('shop.order', {}))) === 'policy_error');
  });
});
