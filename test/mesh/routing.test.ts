/**
 * Routing over a real mesh with two gateways: what they learn, what a call may wish, what a decision says of it, and how
 * soon all of them know what an agent says of itself.
 */
import { EventEmitter, once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { CallOptions, ConnectOptions, Mesh, Outcome } from '../../src/agent/index.js';
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
  work.mixed: { by: cheapest, success: [0.9] }
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

const opened: Mesh[] = [];
/** Connect for one test: another instance of the name would answer that it does not serve what the next one calls. */
async function as(name: string, options: ConnectOptions = {}): Promise<Mesh> {
  const one = await mesh.connect(name, options);
  opened.push(one);
  return one;
}
afterEach(() => Promise.all(opened.splice(0).map((one) => one.close(0))));

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
  const serveLearned = async () => {
    const [quick, slow] = [await as('quick'), await as('slow')];
    await quick.serve('work.learned', {}, () => 1);
    await slow.serve('work.learned', {}, () => new Promise((resolve) => setTimeout(() => resolve(1), 60)));
  };

  test('both leave the slow one alone, and each decision says why', async () => {
    await serveLearned();
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

  test('who fails hard calls gets the easy ones, whatever the cards say', async () => {
    const [nov, exp] = [await as('nov'), await as('exp')];
    await nov.serve('work.mixed', { costMicros: 10 }, ({ difficulty }: { difficulty: string }) => {
      if (difficulty === 'hard') {
        throw new Error('too hard');
      }
    });
    await exp.serve('work.mixed', { costMicros: 1_000 }, () => undefined);
    const round = (difficulty: 'easy' | 'hard'): Promise<string[]> =>
      Promise.all(
        Array.from({ length: 8 }, () =>
          alice.callForOutcome('work.mixed', { difficulty }, { difficulty }).then(
            ({ agent }) => agent,
            () => 'failed',
          ),
        ),
      );
    await round('easy');
    await until(async () => (await round('hard')).every((agent) => agent === 'exp'));
    expect(new Set(await round('easy'))).toEqual(new Set(['nov']));
    expect(new Set(await round('hard'))).toEqual(new Set(['exp']));
  });

  test('a gateway that starts later hears what the others see, one that dies takes nothing with it', async () => {
    await serveLearned();
    const [first] = mesh.gateways;
    await first?.stop(0);
    mesh.gateways[0] = await runGateway(mesh.as('gateway'));
    const all: DecisionRecord[] = [];
    await until(async () => {
      const told = await (await calls(16, 'work.learned')).decisions();
      all.push(...told);
      return (
        new Set(told.map((one) => one.gateway)).size === 2 && told.every(({ agent }) => agent === 'quick')
      );
    });
    const stayed = all.filter(({ gateway }) => gateway === mesh.gateways[1]?.gateway);
    expect(stayed.length).toBeGreaterThan(0);
    // A try now and then is no word of what it knows.
    const meant = stayed.filter(({ routed }) => routed?.why !== 'probe');
    expect(new Set(meant.map(({ agent }) => agent))).toEqual(new Set(['quick']));
  });

  test('who fails gets nothing below the last floor', async () => {
    const [good, bad] = [await as('quick'), await as('slow')];
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

describe('a call that cannot go at once', () => {
  test('given out again it keeps its wish, and the new decision says why anew', async () => {
    const [nov, exp, late] = await Promise.all(['nov', 'exp', 'late'].map((name) => as(name)));
    const options = { idempotent: true, attemptMs: 200 };
    const seen: string[] = [];
    const hangFirst = (name: string) => () => (seen.push(name) === 1 ? new Promise(() => undefined) : 1);
    await nov?.serve('work.again', { ...options, proficiency: 'novice' }, hangFirst('nov'));
    await exp?.serve('work.again', { ...options, proficiency: 'expert' }, hangFirst('exp'));
    await late?.serve('work.again', { ...options, proficiency: 'expert' }, hangFirst('late'));
    const { attempt, seq, agent } = await alice.callForOutcome('work.again', {}, { difficulty: 'hard' });
    expect(attempt).toBeGreaterThanOrEqual(2);
    expect(seen.toSorted()).toEqual(['exp', 'late']);
    const { routed } = await decisionOf(seq);
    expect(routed).toMatchObject({ by: 'least-loaded', difficulty: 'hard', of: 2 });
    expect(routed?.chosen.split(' ')[0]).toBe(agent);
  });

  test('a hard call that waits for the expert keeps no easy one waiting', async () => {
    const [nov, exp] = [await as('nov', { concurrency: 1 }), await as('exp', { concurrency: 1 })];
    const [novHeld, expHeld] = [gate(), gate()];
    await nov.serve('work.wait', { proficiency: 'novice' }, () => novHeld.entered());
    await exp.serve('work.wait', { proficiency: 'expert' }, () => expHeld.entered());
    const call = (difficulty: 'easy' | 'hard') => alice.callForOutcome('work.wait', {}, { difficulty });
    const hard = [call('hard')];
    await expHeld.isEntered;
    hard.push(call('hard'));
    const easy = [call('easy')];
    await novHeld.isEntered;
    easy.push(call('easy'), call('easy'));
    novHeld.open();
    expect((await Promise.all(easy)).map(({ agent }) => agent)).toEqual(['nov', 'nov', 'nov']);
    expHeld.open();
    expect((await Promise.all(hard)).map(({ agent }) => agent)).toEqual(['exp', 'exp']);
  });
});

describe('what an agent says of itself is known to all gateways within a second', () => {
  /** Look again until nothing is wrong; ms from now to the last instant at which something was. */
  const lastWrong = async (look: () => Promise<number | undefined>): Promise<number> => {
    const began = Date.now();
    let last = began;
    await until(async () => {
      const at = await look();
      last = at ?? last;
      return at === undefined;
    });
    return last - began;
  };
  /** When a call was last decided in any other way than at once for this agent. */
  const notFor = (capability: string, name: string) => async () => {
    const told = await (await calls(8, capability)).decisions();
    const wrong = told.filter(({ attempt, agent }) => attempt !== 1 || agent !== name);
    return wrong.length === 0 ? undefined : Math.max(...wrong.map(({ at }) => at));
  };

  test('it just learned a capability', async () => {
    const late = await as('late');
    await late.serve('work.before', {}, () => 1);
    await late.serve('work.new', {}, () => 1);
    const took = await lastWrong(async () => {
      const at = Date.now();
      const all = await Promise.allSettled(Array.from({ length: 20 }, () => alice.call('work.new', {})));
      return all.every(({ status }) => status === 'fulfilled') ? undefined : at;
    });
    expect(took).toBeLessThan(1_000);
  });

  test('it is draining', async () => {
    const [quick, late] = [await as('quick'), await as('late')];
    await quick.serve('work.two', {}, () => 1);
    const held = gate();
    await late.serve('work.two', {}, (body: { hold?: true }) => (body.hold === true ? held.entered() : 1));
    const first = until(async () => {
      const one = alice.callForOutcome('work.two', { hold: true });
      return (await Promise.race([one, held.isEntered])) === 'entered' && { one };
    });
    const { one } = await first;
    const closing = late.close(5_000);
    expect(await lastWrong(notFor('work.two', 'quick'))).toBeLessThan(1_000);
    held.open();
    await closing;
    expect((await one).agent).toBe('late');
  });

  test('it is busy with what another gateway gave it: the others are asked first', async () => {
    const [quick, late] = [await as('quick', { concurrency: 1 }), await as('late')];
    const held = gate();
    await quick.serve('work.busy', {}, () => held.entered());
    const first = alice.callForOutcome('work.busy', {});
    await held.isEntered;
    await late.serve('work.busy', {}, () => 1);
    expect(await lastWrong(notFor('work.busy', 'late'))).toBeLessThan(1_000);
    held.open();
    expect((await first).agent).toBe('quick');
  });
});
