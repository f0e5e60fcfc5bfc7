/**
 * docs/policy.md is true: its files are written and its commands are run, in its order.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MeshError } from '../../src/agent/index.js';
import { compilePolicy } from '../../src/domain/policy.js';
import { credentialsFile } from '../../src/fabric/users.js';
import { readPage } from '../support/markdown.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { ran } from '../support/page-terminal.js';
import { install } from '../support/reader.js';
import { Terminal } from '../support/terminal.js';

const page = readPage('docs/policy.md');
const STEP_MS = 30_000;

let mesh: TestMesh;
let folder: string;

beforeAll(async () => {
  const users = { me: 'caller', eve: 'caller', ann: 'caller', bank: 'agent', law: 'agent' } as const;
  mesh = await startTestMesh({ users });
  folder = join(mesh.dir, 'reader');
  install(folder);
});
afterAll(() => mesh.stop());

/** Run a script, as the operator unless said otherwise; what it printed, and the exit code of its last command. */
const run = (script: string, as = 'operator'): Promise<string> => ran(script, { mesh, folder, as }, STEP_MS);

const fences = page.fences;
const script = (words: string): string =>
  fences.find((one) => one.language === 'sh' && one.text.includes(words))?.text ?? '';
const file = (name: string): string => {
  const text = fences.find((one) => one.text.startsWith(`# ${name}\n`))?.text ?? '';
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
  return text;
};

test('check, test, explain', async () => {
  file('candidate.yaml');
  file('policy.test.yaml');
  expect(await run(script('policy check'))).toMatch(/^Nothing to correct\. 4 rules, digest \S{16}\nexit 0$/);
  expect(await run(script('policy test'))).toMatch(/4 passed, 0 failed\nexit 0$/);
  const shown = fences.find((one) => one.language === 'text')?.text.trim() ?? '';
  const said = await run(script('policy explain'));
  expect(said.replace(/ +$/gm, '')).toBe(`${shown}\nexit 4`);
});

test('diff, push, and what it does', async () => {
  const text = file('candidate.yaml');
  const [diff, push] = script('policy diff').trim().split('\n');
  const gains = await run(diff ?? '');
  expect(gains).toMatch(/- +me +loses +to call > +but keeps pay\.>/);
  expect(gains).toMatch(/- +bank +loses +to serve > +but keeps pay\.>/);
  expect(gains).toMatch(/\+ +rule no-gold +added +deny/);
  expect(await run(push ?? '')).toContain(`In force: ${compilePolicy(text, 'x').digest}`);
  const bank = await mesh.connect('bank');
  await bank.serve('pay.transfer', () => ({ paid: true }));
  const [me, eve] = [await mesh.connect('me'), await mesh.connect('eve')];
  const codeOf = (promise: Promise<unknown>) =>
    promise.then(
      () => 'completed',
      (err: MeshError) => err.code,
    );
  await until(async () => (await codeOf(eve.call('pay.transfer', { amount: 10 }))) === 'policy_unmet');
  expect(await codeOf(eve.call('pay.transfer', { amount: 9 }))).toBe('completed');
  expect(await codeOf(me.call('pay.transfer', { amount: 9, currency: 'XAU' }))).toBe('policy_denied');
  const held = await me.send('pay.transfer', { amount: 5_000 });
  await until(async () => (await run('npx mesh parked ls')).includes('waits for approval by 2 of finance'));
  expect(await run(`npx mesh parked release me.${held}`)).toContain('exit 4');
  expect(await run(`npx mesh parked cancel me.${held}`)).toContain('exit 0');
  expect(await codeOf(me.wait(held))).toBe('cancelled');
});

test('a candidate beside the live one', async () => {
  file('candidate.yaml');
  const [push, shadow] = script('push candidate.yaml --shadow').trim().split('\n');
  expect(await run(push ?? '')).toMatch(/^Beside the live one: \S{16}, 4 rules\..*[^]*exit 0$/);
  await until(async () => /judged by 1 gateways\n[^]*exit 0$/.test(await run(shadow ?? '')));
  expect(await run('npx mesh policy shadow --clear')).toBe('There is no candidate any more.\nexit 0');
});

test('a file for each team', async () => {
  file('company.yaml');
  const team = file('policies/payments.yaml');
  const [check, push] = script('policy check company').trim().split('\n');
  const fine = await run(check ?? '');
  const digest = /^Nothing to correct\. 2 rules \(1 of payments\), digest (\S{16})\nexit 0$/.exec(fine)?.[1];
  expect(await run(push ?? '')).toContain(`In force: ${digest}`);
  const explained = await run(
    `npx mesh policy explain pay.transfer '{"amount":5000}' --from me --policy company.yaml`,
  );
  expect(explained).toMatch(/^held by payments\/large-needs-two\n[^]*exit 4$/);
  expect(await run('npx mesh policy diff company.yaml')).toBe('Nothing changes.\nexit 0');
  writeFileSync(join(folder, 'policies/payments.yaml'), team.replace("'pay.transfer'", "'shop.order'"));
  const refused = await run(push ?? '');
  expect(refused).toMatch(
    /policies\/payments\.yaml:4:23.*owner payments: shop\.order is not in its capabilities/,
  );
  expect(refused).toContain('exit 1');
});

test('another agent is asked', async () => {
  file('reviewed.yaml');
  const [push = '', explain = ''] = script('policy push reviewed').trim().split('\n');
  expect(await run(push)).toContain('In force');
  const program = fences.find((one) => one.text.startsWith('// law.mjs'))?.text ?? '';
  const creds = credentialsFile(mesh.dir, 'law');
  const made = program.replace('nats://127.0.0.1:4222', mesh.url).replace('.mesh/creds/law.json', creds);
  writeFileSync(join(folder, 'law.mjs'), made);
  const law = new Terminal('exec node law.mjs', { cwd: folder, env: process.env });
  await law.shows('law looks', STEP_MS);
  const bank = await mesh.connect('bank');
  await bank.serve('pay.history', () => ({ patient: 'bob' }));
  await bank.serve('pay.transfer', () => ({ paid: true }));
  expect(await run(explain)).toMatch(/^asked about by sanctions\n[^]*asks law\.review[^]*exit 4$/);
  const [bob = '', eve = '', history = ''] = script('call pay.history').trim().split('\n');
  await until(async () => (await run(history, 'me')).includes('output_withheld'), STEP_MS);
  expect(await run(bob, 'me')).toMatch(/paid[^]*exit 0$/);
  expect(await run(eve, 'me')).toMatch(/guard_denied[^]*on the list[^]*exit 3$/);
  await law.interrupt();
});

test('mistakes are told with rule and place', async () => {
  writeFileSync(
    join(folder, 'broken.yaml'),
    file('candidate.yaml').replace('args.amount < 10', 'amount < 10'),
  );
  const said = await run('npx mesh policy check broken.yaml');
  expect(said).toMatch(
    /broken\.yaml:2[0-9]:5 rules\[1\]\.when: rule small-for-guests: Unknown variable: amount/,
  );
  expect(said).toContain('exit 1');
  expect(await run('npx mesh policy push broken.yaml')).toContain('exit 1');
  writeFileSync(
    join(folder, 'wrong.yaml'),
    file('policy.test.yaml').replace('expect: hold', 'expect: allow'),
  );
  const wrong = await run('npx mesh policy test wrong.yaml --policy candidate.yaml');
  expect(wrong).toMatch(
    /FAIL much waits.*want allow, it says hold by large-needs-two[^]*3 passed, 1 failed\nexit 1$/,
  );
});
