/**
 * Routing over a real mesh with two gateways: what they learn, what a call may wish, what a decision says of it, and how
 * soon all of them know what an agent says of itself.
 */
import { EventEmitter, once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CallOptions, Mesh, Outcome } from '../../src/agent/index.js';
import { getBySeq } from '../../src/fabric/reader.js';
import type { DecisionRecord } from '../../src/wire/generated/messages.js';
import { headersOf, rawHeaders } from '../../src/fabric/raw.js';
import { runGateway } from '../../src/gateway/run.js';
import { encodeHeaders, header } from '../../src/wire/headers.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { codeOf } from '../support/views.js';

const policy = `version: 1
roles:
  all: { call: ['>'], mayRoot: true }
  worker: { serve: ['>'] }
members: { alice: [all], quick: [worker], slow: [worker], nov: [worker], exp: [worker], late: [worker] }
routing:
  work.learned: fastest
  work.priced: { by: cheapest, calls: [fastest, difficulty] }
  work.flaky: { by: best, success: [0.95, 0.9], never: 0.7 }
`;

let mesh: TestMesh;
let alice: Mesh;

beforeAll(async () => {
  const agent = 'agent' as const;
  const users = { alice: 'caller' as const, quick: agent, slow: agent, nov: agent, exp: agent, late: agent };
  mesh = await startTestMesh({ policy, users, gateways: 2 });
  alice = await mesh.connect('alice');
});
afterAll(() => mesh.stop());

const decisionOf = async (seq: number): Promise<DecisionRecord> => {
  const stored = await getBySeq(mesh.operator, 'DECISIONS', seq);
  return JSON.parse(stored?.headers.get(header.record) ?? '{}') as DecisionRecord;
};

/** What a handler waits at until the test opens it. */
function gate() {
  const hear = new EventEmitter();
  const isEntered = once(hear, 'entered').then(() => 'entered' as const);
  const opened = once(hear, 'open').then(() => 1);
  const entered = (): Promise<number> => {
    hear.emit('entered');
    return opened;
  };
  return { isEntered, entered, open: () => hear.emit('open') };
}

/** Make calls one after the other; who answered, and which gateways decided. */
async function calls(n: number, capability: string, options: CallOptions = {}) {
  const outcomes: Outcome[] = [];
  for (let i = 0; i < n; i++) {
    outcomes.push(await alice.callForOutcome(capability, {}, options));
  }
  return {
    agents: outcomes.map(({ agent }) => agent),
    decisions: () => Promise.all(outcomes.map(({ seq }) => decisionOf(seq))),
  };
}

describe('what gateways learn', () => {
  test('both leave the slow one alone, and each decision says why', async () => {
    const [quick, slow] = [await mesh.connect('quick'), await mesh.connect('slow')];
    await quick.serve('work.learned', {}, () => 1);
    await slow.serve('work.learned', {}, () => new Promise((resolve) => setTimeout(() => resolve(1), 60)));
    await Promise.all(Array.from({ length: 20 }, () => alice.call('work.learned', {})));
    const { decisions } = await until(async () => {
      const round = await calls(12, 'work.learned');
      return round.agents.every((agent) => agent === 'quick') && round;
    });
    const told = await decisions();
    expect(new Set(told.map(({ gateway }) => gateway)).size).toBe(2);
    for (const { routed } of told) {
      expect(routed).toMatchObject({ by: 'fastest', why: 'first', of: 2 });
      expect(routed?.chosen).toMatch(/^quick [\d.]+ 0\.\d+ [\d.]+ 0$/);
      expect(routed?.others[0]).toMatch(/^slow \d\d/);
    }
  });

  test('a gateway that starts later hears what the others see, one that dies takes nothing with it', async () => {
    const [first] = mesh.gateways;
    await first?.stop(0);
    mesh.gateways[0] = await runGateway(mesh.as('gateway'));
    const agents = await until(async () => {
      const round = await calls(16, 'work.learned');
      const told = await round.decisions();
      return new Set(told.map(({ gateway }) => gateway)).size === 2 && round.agents;
    });
    expect(agents.filter((agent) => agent === 'slow').length).toBeLessThan(4);
  });

  test('who fails gets nothing below the last floor', async () => {
    const [good, bad] = [await mesh.connect('quick'), await mesh.connect('slow')];
    await good.serve('work.flaky', {}, () => 1);
    await bad.serve('work.flaky', {}, () => {
      throw new Error('no');
    });
    const settled = await Promise.allSettled(Array.from({ length: 40 }, () => alice.call('work.flaky', {})));
    expect(settled.some(({ status }) => status === 'rejected')).toBe(true);
    await until(async () =>
      (await Promise.allSettled(Array.from({ length: 40 }, () => alice.call('work.flaky', {})))).every(
        ({ status }) => status === 'fulfilled',
      ),
    );
  });
});

describe('what a call may wish', () => {
  beforeAll(async () => {
    const [nov, exp] = [await mesh.connect('nov'), await mesh.connect('exp')];
    const slowly = () => new Promise((resolve) => setTimeout(() => resolve(1), 30));
    await nov.serve('work.priced', { proficiency: 'novice', costMicros: 10 }, slowly);
    await exp.serve(
      'work.priced',
      { proficiency: 'expert', costMicros: 100, attributes: { gpu: true } },
      () => 1,
    );
    await nov.serve('work.free', { proficiency: 'novice' }, () => 1);
    await exp.serve('work.free', { proficiency: 'expert', attributes: { gpu: true } }, () => 1);
  });

  test('its difficulty and what to choose by, and the decision keeps what it asked for', async () => {
    expect((await calls(4, 'work.priced')).agents).toEqual(['nov', 'nov', 'nov', 'nov']);
    const hard = await calls(3, 'work.priced', { difficulty: 'hard' });
    expect(hard.agents).toEqual(['exp', 'exp', 'exp']);
    expect((await hard.decisions())[0]?.routed).toMatchObject({ by: 'cheapest', difficulty: 'hard', of: 1 });
    const free = await calls(3, 'work.free', { route: 'best, gpu=true' });
    expect(free.agents).toEqual(['exp', 'exp', 'exp']);
    expect((await free.decisions())[0]?.routed).toMatchObject({ by: 'best', asked: 'best, gpu=true' });
  });

  test('a call without a wish, where the policy says nothing, keeps no word of its choice', async () => {
    const [one] = await (await calls(1, 'work.free')).decisions();
    expect(one?.verdict).toBe('allow');
    expect(one?.routed).toBeUndefined();
  });

  test('beyond the policy it is refused, and so is what nobody has', async () => {
    expect(await codeOf(alice.call('work.priced', {}, { route: 'best' }))).toBe('route_denied');
    expect(await codeOf(alice.call('work.priced', {}, { route: 'gpu=true' }))).toBe('route_denied');
    expect(await codeOf(alice.call('work.free', {}, { route: 'gpu=false' }))).toBe('route_unmet');
    expect(await codeOf(alice.call('work.free', {}, { route: 'quickest' }))).toBe('header_invalid');
  });

  test.each([
    [header.route, 'fastest, cheapest'],
    [header.difficulty, 'impossible'],
  ])('a gateway reads %s: %j for itself', async (name, value) => {
    const nc = await mesh.broker('alice');
    const headers = rawHeaders(encodeHeaders([[name, value]]));
    const reply = await nc.request('mesh.v1.ask.alice.work.free', '{}', { headers, timeout: 5_000 });
    expect(headersOf(reply).get(header.serviceErrorCode)).toBe('header_invalid');
  });
});

describe('what an agent says of itself is known to all gateways within a second', () => {
  const within = async (check: () => Promise<boolean>): Promise<number> => {
    const began = Date.now();
    await until(check, 5_000, 10);
    return Date.now() - began;
  };

  test('it just learned a capability', async () => {
    const late = await mesh.connect('late');
    await late.serve('work.before', {}, () => 1);
    await late.serve('work.new', {}, () => 1);
    const took = await within(async () => {
      const all = await Promise.allSettled(Array.from({ length: 20 }, () => alice.call('work.new', {})));
      return all.every(({ status }) => status === 'fulfilled');
    });
    expect(took).toBeLessThan(1_000);
  });

  test('it is draining', async () => {
    const [quick, late] = [await mesh.connect('quick'), await mesh.connect('late')];
    await quick.serve('work.two', {}, () => 1);
    const held = gate();
    await late.serve('work.two', {}, (body: { hold?: true }) => (body.hold === true ? held.entered() : 1));
    const first = until(async () => {
      const one = alice.callForOutcome('work.two', { hold: true });
      return (await Promise.race([one, held.isEntered])) === 'entered' && { one };
    });
    const { one } = await first;
    const closing = late.close(5_000);
    const away = async () => {
      const told = await (await calls(8, 'work.two')).decisions();
      return told.every(({ attempt, agent }) => attempt === 1 && agent === 'quick');
    };
    expect(await within(away)).toBeLessThan(1_000);
    held.open();
    await closing;
    expect((await one).agent).toBe('late');
  });

  test('it is busy with what another gateway gave it: the others are asked first', async () => {
    const [quick, late] = [await mesh.connect('quick', { concurrency: 1 }), await mesh.connect('late')];
    const held = gate();
    await quick.serve('work.busy', {}, () => held.entered());
    const first = alice.callForOutcome('work.busy', {});
    await held.isEntered;
    await late.serve('work.busy', {}, () => 1);
    const clean = async () => {
      const told = await (await calls(8, 'work.busy')).decisions();
      return told.every(({ attempt, agent }) => attempt === 1 && agent === 'late');
    };
    expect(await within(clean)).toBeLessThan(1_000);
    held.open();
    expect((await first).agent).toBe('quick');
  });
});
