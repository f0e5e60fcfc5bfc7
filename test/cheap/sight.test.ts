import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CallNode } from '../../src/control/views/pages.js';
import type { TrafficPage } from '../../src/control/views/traffic-page.js';
import { queuesOf } from '../../src/gateway/queues.js';
import { dotOf } from '../../src/cli/graph/dot.js';
import { graphOf, NOBODY } from '../../src/cli/graph/model.js';
import { layOut } from '../../src/cli/graph/layers.js';
import { svgOf } from '../../src/cli/graph/svg.js';
import { slowestOf, timeTree } from '../../src/cli/trace/hops.js';
import { printTop } from '../../src/cli/top/print.js';
import { printTrace } from '../../src/cli/trace/print.js';
import { width } from '../../src/cli/output.js';
import { Histogram } from '../../src/sight/histogram.js';
import { Meter } from '../../src/sight/meter.js';
import { pageAddress } from '../../src/sight/page.js';
import { readRatio } from '../../src/sight/ratio.js';
import { GONE, scrub } from '../../src/sight/scrub.js';
import { Spool } from '../../src/sight/spool.js';
import { OTHER, Tally } from '../../src/sight/tally.js';
import { limits } from '../../src/wire/limits.js';
import { isSampled, parseTraceparent, spanOf, traceIdOf, traceparentOf } from '../../src/wire/trace.js';
import type { Priority } from '../../src/wire/priority.js';
import { newCallId } from '../../src/wire/ulid.js';

describe('trace context', () => {
  test('reads what it writes, and nothing else', () => {
    const hex = (length: number) =>
      fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`)).filter((text) => !/^0+$/.test(text));
    fc.assert(
      fc.property(hex(32), hex(16), fc.boolean(), (id, from, sampled) => {
        expect(parseTraceparent(traceparentOf(id, from, sampled))).toEqual({ id, from, sampled });
      }),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseTraceparent(text)).toBeUndefined();
      }),
    );
  });

  test('a call id is a trace id: all its bits, in order', () => {
    expect(traceIdOf('01arz3ndektsv4rrffq69g5fav')).toBe('01563e3ab5d3d6764c61efb99302bd5b');
    expect(spanOf('01arz3ndektsv4rrffq69g5fav')).toBe('4c61efb99302bd5b');
    expect(traceIdOf('7zzzzzzzzzzzzzzzzzzzzzzzzz')).toBe('f'.repeat(32));
    expect(traceIdOf('00000000000000000000000000')).toBeUndefined();
    expect(traceIdOf('seq-4')).toBeUndefined();
  });

  test('the ratio is kept, and everybody agrees on who is sampled', () => {
    const ids = Array.from({ length: 20_000 }, () => newCallId());
    const share = ids.filter((id) => isSampled(id, 0.1)).length / ids.length;
    expect(share).toBeGreaterThan(0.08);
    expect(share).toBeLessThan(0.12);
    expect(ids.filter((id) => isSampled(id, 0.1) && !isSampled(id, 0.5))).toEqual([]);
    expect(ids.every((id) => isSampled(id, 1) && !isSampled(id, 0))).toBe(true);
    // As anybody tells it from the trace id.
    const low = (id: string) => Number.parseInt((traceIdOf(id) ?? '').slice(24), 16) / 0x1_0000_0000;
    expect(ids.filter((id) => isSampled(id, 0.3) !== low(id) < 0.3)).toEqual([]);
  });
});

describe('counts', () => {
  test('names beyond the bound are "other", and so are combinations', () => {
    const tally = new Tally(3, 5);
    for (let i = 0; i < 10; i++) {
      tally.count(`caller-${i}`, `cap-${i}`, 'agent', 'completed');
      tally.count('caller-0', `cap-${i}`, `agent-${i}`, 'failed');
    }
    const rows = [...tally.rows()];
    expect(rows.length).toBeLessThanOrEqual(6); // the bound, and the row of what does not fit
    expect(rows.reduce((sum, { counts }) => sum + counts.completed + counts.failed, 0)).toBe(20);
    expect(new Set(rows.map(({ from }) => from)).size).toBeLessThanOrEqual(4);
    expect(rows.some(({ from, capability }) => from === OTHER && capability === OTHER)).toBe(true);
  });

  test('a histogram counts what it is given, in the form of Prometheus', async () => {
    const histogram = new Histogram();
    [0.1, 3, 3, 700, 99_999, -5].forEach((ms) => histogram.observe(ms));
    expect(histogram.count).toBe(6);
    expect(histogram.sum).toBeCloseTo(100.7051, 5);
    const buckets = histogram.buckets();
    expect(buckets.find(({ le }) => le === 0.004)?.count).toBe(4);
    expect(buckets.at(-1)).toEqual({ le: '+Inf', count: 6 });
    const meter = new Meter('test');
    meter.histograms({ name: 'a_seconds', help: 'A.' }, 'hop', () => new Map([['work', histogram]]));
    const page = await meter.page();
    expect(page).toContain('# TYPE a_seconds histogram');
    expect(page).toContain('a_seconds_bucket{hop="work",le="+Inf",service="test"} 6');
    expect(page).toContain('a_seconds_count{hop="work",service="test"} 6');
  });
});

describe('a log', () => {
  test('never holds bodies, tickets, seeds and secrets, wherever they stand', () => {
    const seed = 'SUAAVFKYQZ6Z7Q4NQ3QYQZ6Z7Q4NQ3QYQZ6Z7Q4NQ3QYQZ6Z7Q4NQ3QYQZ6A';
    const ticket = `{"kid":"k","call":"c"}.${'a'.repeat(32)}`;
    const ingress = `_k.${'0123456789abcdef'.repeat(2)}.settle.a.b`;
    const told = JSON.stringify(
      scrub({
        body: 'hidden-1',
        seed: 'hidden-2',
        deep: { list: [{ ticket: 'hidden-3', text: `a ${seed} b` }] },
        err: new Error(`refused ${ingress} for ${ticket}`),
        url: 'nats://user:hidden-4@host:4222',
        bytes: Buffer.from('hidden-5'),
        reply: `mesh.v1.result.a.gw.7.${'b'.repeat(32)}`,
      }),
    );
    for (const secret of ['hidden', seed, '0123456789abcdef', 'b'.repeat(32), '"kid"']) {
      expect(told).not.toContain(secret);
    }
    expect(told).toContain('nats://host:4222');
    expect(scrub({ call: 'me.1', root: 'me.1', trace: 'f', n: 1 })).toEqual({
      ...{ call: 'me.1', root: 'me.1', trace: 'f', n: 1 },
    });
    expect(scrub({ body: 1 })).toEqual({ body: GONE });
  });
});

describe('spans that wait', () => {
  test('are dropped and counted when there are too many or nobody takes them', async () => {
    const troubles: string[] = [];
    let refuse: ((err: Error) => void) | undefined;
    const spool = new Spool<number>(
      (_, done) => (refuse = done),
      (why) => troubles.push(why),
    );
    for (let i = 0; i < limits.spanQueue + limits.spanBatch + 10; i++) {
      spool.add(i);
    }
    expect(spool.counts).toEqual({ exported: 0, dropped: 10, failed: 0 });
    refuse?.(new Error('nobody'));
    refuse?.(new Error('nobody'));
    expect(spool.counts.failed).toBeGreaterThanOrEqual(limits.spanBatch);
    expect(troubles).toEqual(['nobody']); // said once
    await spool.flush(1); // gives up in time
  });

  test('have a rate', () => {
    const spool = new Spool<number>(() => undefined);
    const allowed = Array.from({ length: limits.spansPerSecond + 8 }, () => spool.room(1));
    expect(allowed.filter(Boolean).length).toBeGreaterThanOrEqual(limits.spansPerSecond);
    expect(spool.counts.dropped).toBe(allowed.filter((yes) => !yes).length);
  });
});

test.each([
  ['9464', { host: '127.0.0.1', port: 9464 }],
  ['0.0.0.0:0', { host: '0.0.0.0', port: 0 }],
  ['[::1]:80', { host: '::1', port: 80 }],
  ['off', undefined],
  [undefined, { host: '127.0.0.1', port: 0 }],
])('metrics at %s', (text, address) => {
  expect(pageAddress(text)).toEqual(address);
});

test.each(['', 'on', '70000', 'a b:1', '-1', 'http://x:1'])('metrics are never at "%s"', (text) => {
  expect(() => pageAddress(text)).toThrow(expect.objectContaining({ code: 'usage' }));
});

test.each(['x', '-0.1', '1.1', 'NaN', '10%'])('"%s" is no ratio', (text) => {
  expect(() => readRatio(text)).toThrow(expect.objectContaining({ code: 'usage' }));
});

const AT = Date.UTC(2026, 0, 1);
const nodeAt = (call: string, parent: string | undefined, from: number, to: number): CallNode => ({
  from: 'a',
  call,
  capability: `${call}.run`,
  status: 'completed',
  bornAt: AT + from,
  ...(parent === undefined ? { asked: true as const } : { parent: `a.${parent}` }),
  attempts: [{ attempt: 1, seq: 1, gateway: 'g', agent: call, at: AT + from + 2, storedAt: AT + from + 3 }],
  outcome: { status: 'completed', attempt: 1, at: AT + to - 1, storedAt: AT + to, agent: call },
});

describe('the time of a tree', () => {
  const page = {
    root: 'a.one',
    calls: [
      nodeAt('one', undefined, 0, 500),
      nodeAt('two', 'one', 10, 300),
      nodeAt('three', 'one', 200, 450), // beside two, not after it
    ],
  };

  test('what an agent does itself is what no child covers', () => {
    const [top] = timeTree(page);
    expect(top?.hops).toEqual({ queue: 2, decision: 1, retries: 0, work: 496, settle: 1 });
    expect(top?.ownMs).toBe(496 - 440);
    expect(slowestOf(timeTree(page))).toMatchObject({ hop: 'own', agent: 'two', ms: 286 });
    expect(timeTree(page, 'a.three')).toHaveLength(1);
  });

  test.each([20, 40, 71, 72, 100, 300])('fits into %i columns', (columns) => {
    const lines = printTrace(timeTree(page), columns);
    const bound = columns < 40 ? 60 : columns;
    expect(lines.filter((line) => width(line) > bound)).toEqual([]);
  });
});

describe('the traffic on a screen', () => {
  const empty = {
    ...{ sinceAt: 0, untilAt: 10_000, calls: 0, rows: [], agents: [], gateways: 1 },
    queues: { accepted: 0, parked: 0, open: 0, waiting: 0 },
    ...{ waits: [], budgets: [], breakers: [] },
  };
  const long = `a.${'long'.repeat(12)}\u001b[31m`;
  const row = { from: 'me', capability: 'a.x', calls: 1, running: 0, errors: 0, refused: 0 };
  const full: TrafficPage = {
    ...empty,
    waits: Array.from({ length: 9 }, (_, i) => ({
      ...{ capability: i === 0 ? long : `w.n${i}`, priority: 'batch' as const },
      ...{ turns: 0, held: 1_000, parked: 22_222, approval: 333, oldestMs: 61_000 },
    })),
    budgets: Array.from({ length: 9 }, (_, i) => ({
      ...{ key: i === 0 ? `principal.${long}.day.20261122` : `agent.b${i}.day.20261122`, endsMs: 20_000 },
      ...{
        limit: { micros: 2 ** 53 - 1 },
        spent: { micros: 1 },
        held: {},
        left: {},
        unit: 'micros' as const,
      },
      ...{ percent: i === 0 ? 140 : 81, state: i === 0 ? ('closed' as const) : ('open' as const) },
    })),
    breakers: Array.from({ length: 9 }, (_, i) => ({
      ...{ agent: 'shop', capability: i === 0 ? long : `c.n${i}`, principal: 'p'.repeat(64) },
      ...{ state: 'half-open' as const, opens: 2, at: 7_000, by: 'gw' },
    })),
  };

  test.each([40, 72, 100, 200])('what presses fits into %i columns, and steers no terminal', (columns) => {
    const lines = printTop(full, columns, Infinity);
    expect(lines.filter((line) => width(line) > columns)).toEqual([]);
    expect(lines.join('\n')).not.toContain('\u001b[31m');
    expect(lines.filter((line) => line.includes('(5 of 9)'))).toHaveLength(3);
    for (const text of [
      'w.n1',
      '22222',
      'agent.b',
      '140 %',
      'closed',
      '81 %',
      'c.n1',
      'half-open',
      'trees of p',
    ]) {
      expect(lines.join('\n')).toContain(text);
    }
  });

  test('what does not press takes no room, and a short screen shows the worst of each', () => {
    expect(printTop(empty, 100, Infinity).join('\n')).not.toMatch(/waiting$|budgets|breakers/m);
    const lines = printTop({ ...full, rows: Array.from({ length: 9 }, () => row) }, 100, 23);
    expect(lines.length).toBeLessThanOrEqual(23);
    for (const text of ['waiting', 'budgets nearest', 'breakers', 'w.n1', 'closed', 'c.n1']) {
      expect(lines.join('\n')).toContain(text);
    }
  });
});

describe('what waits in a gateway', () => {
  const wait = (capability: string, priority: Priority, waitedMs: number) => ({
    capability,
    priority,
    waitedMs,
  });

  test('is counted by capability and priority, the longest queues first, so many of them', () => {
    expect(queuesOf([], [])).toEqual({});
    const turns = [wait('a.x', 'normal', 5.9), wait('a.x', 'batch', 1), wait('a.x', 'normal', 2)];
    const many = Array.from({ length: limits.peerQueues * 2 }, (_, i) => wait(`m.n${i}`, 'normal', 0));
    const { queues = [] } = queuesOf(turns, [wait('a.x', 'normal', 7), ...many]);
    expect(queues[0]).toEqual({ capability: 'a.x', priority: 'normal', turns: 2, held: 1, oldestMs: 7 });
    expect(queues).toHaveLength(limits.peerQueues);
  });
});

describe('the graph', () => {
  const row = (from: string, capability: string, agent?: string) => ({
    ...{ from, capability, calls: 3, running: 0, errors: 0, refused: 0 },
    ...(agent === undefined ? {} : { agent }),
  });
  const page = {
    ...{ sinceAt: 0, untilAt: 1, calls: 1, agents: [], gateways: 1 },
    queues: { accepted: 0, parked: 0, open: 0, waiting: 0 },
    ...{ waits: [], budgets: [], breakers: [] },
    rows: [
      row('me', 'a.x', 'a'),
      row('a', 'b.x', 'b'),
      row('b', 'a.y', 'a'), // a circle
      row('b', 'b.z', 'b'), // to itself
      row('me', 'b.x', 'b'),
      row('<me> & "you"', 'none.x'),
    ],
  };

  test('boxes never overlap, and arrows go to the right unless they close a circle', () => {
    const { layers, slots } = layOut(graphOf(page), () => 50);
    for (const layer of layers) {
      layer.slice(1).forEach((slot, i) => {
        expect(slot.y).toBeGreaterThanOrEqual((layer[i]?.y ?? 0) + (layer[i]?.height ?? 0));
      });
    }
    const at = (name: string) => slots.get(name)?.layer;
    expect([at('me'), at('a'), at('b')]).toEqual([0, 1, 2]);
  });

  test('what others named is text, never markup', () => {
    const svg = svgOf(graphOf(page), 'A <title>');
    expect(svg).not.toMatch(/<me>|<title>(?!.)/);
    expect(svg).toContain('&lt;me&gt; &amp; &quot;you&quot;');
    expect(svg).toContain(NOBODY);
    expect(dotOf(graphOf(page))).toContain('"<me> & \\"you\\""');
  });

  test('nothing is a picture too', () => {
    const svg = svgOf(graphOf({ ...page, rows: [] }), 'Nothing');
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });
});
