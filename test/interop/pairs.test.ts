/**
 * Every caller against every agent, none of them with our SDK: the `nats` command, Python on nats-py, Go on nats.go.
 */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Peers, type Ended } from './peers.js';

const POLICY = `version: 1
roles:
  everyone: { call: ['clock.now', 'greet.person', 'echo.back'], mayRoot: true }
  clock: { serve: ['clock.now'] }
  greeter: { serve: ['greet.person'], call: ['clock.now'] }
  echo: { serve: ['echo.back'], call: ['clock.now'] }
members:
  me: [everyone]
  clock: [clock]
  greeter: [greeter]
  echo: [echo]
`;

const tools = inject('tools');
const here = tools.go !== undefined && tools.python !== undefined;
const NOW = /^\d{4}-\d\d-\d\dT/;
let peers: Peers;

beforeAll(async () => {
  if (here) {
    const agents = ['clock', 'greeter', 'echo'].map((name) => ({ name, role: 'agent' as const }));
    peers = await Peers.start(agents, POLICY);
    await peers.natsAgent('clock', 'clock.now', '{"now":"{{TimeStamp}}"}');
    await Promise.all([peers.pythonAgent('greeter'), peers.goAgent('echo', 'echo.back', 'clock.now')]);
  }
});
afterAll(() => peers?.stop());

const callers: Readonly<Record<string, (capability: string, body: string) => Promise<Ended>>> = {
  'the nats command': (capability, body) =>
    peers.nats('me', 'req', '--raw', `mesh.v1.ask.me.${capability}`, body),
  Python: (capability, body) => peers.pythonCaller('me', capability, body),
  Go: (capability, body) => peers.goClient('me', 'call', capability, body),
};

const agents = [
  ['the nats command', 'clock.now', '{}', { now: expect.stringMatching(NOW) as string }],
  [
    'Python',
    'greet.person',
    '{"name":"Ada"}',
    { greeting: 'Hello Ada', at: expect.stringMatching(NOW) as string },
  ],
  [
    'Go',
    'echo.back',
    '{"a":[1,"ü"]}',
    { echo: { a: [1, 'ü'] }, child: { now: expect.stringMatching(NOW) as string } },
  ],
] as const;

describe.skipIf(!here).each(Object.keys(callers))('%s calls an agent that is', (caller) => {
  const call = (capability: string, body: string): Promise<Ended> =>
    callers[caller]?.(capability, body) ?? Promise.reject(new Error(caller));

  test.each(agents)('%s', async (_, capability, body, expected) => {
    const { said, code } = await call(capability, body);
    expect(code, `it said: ${said}`).toBe(0);
    expect(JSON.parse(said)).toEqual(expected);
  });

  test('nobody it was granted, and can read why not', async () => {
    const { said } = await call('vault.open', '{}');
    expect(said).toContain('not_granted');
    expect(said).toContain('me may not call vault.open');
    expect(said, 'what to do').toContain('Ask the owner of mesh.policy.yaml');
  });
});

describe.skipIf(!here)('a refusal', () => {
  test('has the exit code of mesh call in Python and in Go', async () => {
    expect((await peers.pythonCaller('me', 'vault.open')).code).toBe(3);
    expect((await peers.pythonCaller('me', '--ask', 'vault.open')).code).toBe(3);
    expect((await peers.goClient('me', 'ask', 'vault.open')).code).toBe(3);
  });

  test('stands in the headers for the nats command', async () => {
    const { said } = await peers.nats('me', 'req', 'mesh.v1.ask.me.vault.open', '{}');
    expect(said).toMatch(/Nats-Service-Error-Code: not_granted/);
    expect(said).toMatch(/Nats-Service-Error: refused/);
  });
});
