/**
 * Approve, deny, expire, cancel and other arguments under the same id, all at once, over and over: one decision each,
 * executed at most once, and only what was approved. `MESH_RACES` says how many, `MESH_SEED` repeats a run.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newCallId, type Mesh } from '../../src/agent/index.js';
import type { NatsConnection } from '../../src/fabric/connection.js';
import { header } from '../../src/wire/headers.js';
import { callDigest } from '../../src/wire/digest.js';
import { headers as natsHeaders } from '@nats-io/transport-node';
import { judgeRace, openBooks, person, type Books, type Person, type Raced } from '../support/approvals.js';
import { pace, startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { seeded } from '../support/random.js';

const ROUNDS = Number(process.env['MESH_RACES'] ?? 100);
const SEED = Number(process.env['MESH_SEED'] ?? Date.now() % 1_000_000_007);
const AT_ONCE = 25;
const NEAR_MS = 40;

const POLICY = `version: 1
roles:
  buyer: { call: ['pay.>'], mayRoot: true }
  bank: { serve: ['pay.>'] }
  finance: {}
members:
  me: [buyer]
  bank: [bank]
  ann: [finance]
  bob: [finance]
  eve: [finance]
rules:
  - name: one-of-them
    match: { capability: ['pay.transfer', 'pay.soon'] }
    effect: hold
    approvers: [finance]
  - name: soon
    match: { capability: ['pay.soon'] }
    effect: hold
    approvers: [finance]
    expires: 1s
`;

let mesh: TestMesh;
let me: Mesh;
let raw: NatsConnection;
let books: Books;
const people: Record<string, Person> = {};
/** Digest of what each run was given, by the call that it names. */
const runs = new Map<string, string[]>();

beforeAll(async () => {
  const users = { me: 'caller', ann: 'caller', bob: 'caller', eve: 'caller', bank: 'agent' } as const;
  mesh = await startTestMesh({ users, policy: POLICY, gateways: 2 });
  books = await openBooks(mesh.operator);
  for (const name of ['ann', 'bob', 'eve']) {
    people[name] = person(await mesh.broker(name), name);
  }
  raw = await mesh.broker('me');
  me = await mesh.connect('me');
  const bank = await mesh.connect('bank', { concurrency: 100 });
  for (const capability of ['pay.transfer', 'pay.soon']) {
    await bank.serve(capability, (body) => {
      const { id } = body as { id: string };
      runs.set(id, [...(runs.get(id) ?? []), callDigest(capability, Buffer.from(JSON.stringify(body)))]);
      return {};
    });
  }
});
afterAll(async () => {
  books.stop();
  await mesh.stop();
});

function send(call: string, capability: string, body: string, deadline: number): void {
  const h = natsHeaders();
  h.set(header.call, call);
  h.set(header.deadline, String(deadline));
  raw.publish(`mesh.v1.call.me.${capability}`, body, { headers: h });
}

/** One call, and everything that can happen to it, each at a moment of its own within a few milliseconds. */
async function race(random: () => number): Promise<Raced> {
  const expires = random() < 0.3;
  const capability = expires ? 'pay.soon' : 'pay.transfer';
  const call = newCallId();
  const deadline = Date.now() + 15_000;
  send(call, capability, JSON.stringify({ id: call, amount: 5 }), deadline);
  const record = await books.held(call);
  const shown = await until(async () => {
    const page = await people['ann']?.show('me', call);
    return page?.digest === undefined ? undefined : page;
  });
  const approvals: string[] = [];
  const denials: string[] = [];
  const vote = async (name: string, what: 'approve' | 'deny') => {
    const said = await people[name]?.vote(what, { from: 'me', call, digest: shown.digest });
    if (said?.state !== undefined) {
      (what === 'approve' ? approvals : denials).push(name);
    }
  };
  const rival = () => send(call, capability, JSON.stringify({ id: call, amount: 999 }), deadline);
  /** Whatever is shown now is approved: perhaps the rival, held anew after the first was decided. */
  const again = async () => {
    await pace(NEAR_MS);
    const now = await people['bob']?.show('me', call);
    if (now?.digest !== undefined && now.digest !== shown.digest) {
      ghosts++;
      await people['bob']?.vote('approve', now);
    }
  };
  const acts: (readonly [number, () => Promise<void> | void])[] = [
    [0.7, () => vote('ann', 'approve')],
    [0.5, () => vote('ann', 'approve')],
    [0.5, () => vote('bob', 'approve')],
    [0.6, () => vote('eve', 'deny')],
    [0.3, () => me.cancel(call)],
    [0.6, rival],
    [0.5, again],
  ];
  if (expires) {
    await pace(Math.max(0, (record.approval?.expires ?? 0) - Date.now() - NEAR_MS / 2));
  }
  const chosen = acts
    .filter(([chance]) => random() < chance)
    .map(([, act]) => [random() * NEAR_MS, act] as const);
  await Promise.all(
    chosen.map(async ([after, act]) => {
      await pace(after);
      await act();
    }),
  );
  if (approvals.length + denials.length === 0 && !expires) {
    me.cancel(call); // nobody meant anything
  }
  const error = await me.wait(call).then(
    () => undefined,
    (err: { code: string; status?: string }) => err,
  );
  await until(() => books.decided(call).length > 0);
  return {
    call,
    digest: shown.digest,
    argumentsDigest: shown.arguments,
    status: error === undefined ? 'completed' : (error.status ?? 'none'),
    code: error?.code,
    decisions: books.decided(call),
    runs: runs.get(call) ?? [],
    approvals,
    denials,
  };
}

const done: Raced[] = [];
let ghosts = 0;

describe(`${ROUNDS} races (MESH_SEED=${SEED})`, () => {
  test(
    'one decision each, executed at most once, the digest equal',
    { timeout: 30_000 + ROUNDS * 400 },
    async () => {
      console.log(`seed ${SEED}`);
      const random = seeded(SEED);
      for (let left = ROUNDS; left > 0; left -= AT_ONCE) {
        const now = Array.from({ length: Math.min(left, AT_ONCE) }, () =>
          race(seeded(Math.floor(random() * 2 ** 31))),
        );
        done.push(...(await Promise.all(now)));
      }
      await pace(500); // a second execution would come after its outcome
      const last = done.map((one) => ({
        ...one,
        runs: runs.get(one.call) ?? [],
        decisions: books.decided(one.call),
      }));
      expect(last.flatMap(judgeRace)).toEqual([]);
      const ended = new Map<string, number>();
      last.forEach(({ code = 'completed' }) => ended.set(code, (ended.get(code) ?? 0) + 1));
      console.log(
        [...ended].map(([code, count]) => `${code} ${count}`).join(', '),
        `, rivals approved ${ghosts}`,
      );
      const codes = ['completed', 'approval_denied', 'approval_expired', 'cancelled'];
      expect(codes.filter((code) => !ended.has(code))).toEqual([]); // each of them wins sometimes
      expect(ended.size).toBe(codes.length);
    },
  );

  test('the judge sees what is planted', () => {
    const good = done.find(({ status }) => status === 'completed');
    const denied = done.find(({ code }) => code === 'approval_denied');
    if (good === undefined || denied === undefined) {
      throw new Error('no race was completed, or none was denied');
    }
    const [decision] = good.decisions;
    const [run = ''] = good.runs;
    const plants: Partial<Raced>[] = [
      { runs: [run, run] },
      { runs: [] },
      { runs: [callDigest('pay.transfer', Buffer.from('{"amount":999}'))] },
      { decisions: [...good.decisions, ...good.decisions] },
      { decisions: [] },
      { digest: '0'.repeat(64) },
      { argumentsDigest: 'x' },
      { approvals: [] },
      {
        decisions:
          decision === undefined
            ? []
            : [{ ...decision, approval: { by: ['eve'], digest: good.digest, card: '', at: 1 } }],
      },
    ];
    expect(judgeRace(good)).toEqual([]);
    expect(plants.map((plant) => judgeRace({ ...good, ...plant }).length > 0)).toEqual(
      plants.map(() => true),
    );
    expect(judgeRace({ ...denied, runs: [run] })).not.toEqual([]);
    expect(judgeRace({ ...denied, denials: [] })).not.toEqual([]);
  });

  test('a handler that acts twice is seen', async () => {
    const call = newCallId();
    runs.set(call, [callDigest('pay.transfer', Buffer.from(JSON.stringify({ id: call, amount: 5 })))]); // as if it had run before
    send(call, 'pay.transfer', JSON.stringify({ id: call, amount: 5 }), Date.now() + 10_000);
    await books.held(call);
    const shown = await people['ann']?.show('me', call);
    if (shown === undefined) {
      throw new Error('nothing was shown');
    }
    await people['ann']?.vote('approve', shown);
    await me.wait(call);
    const raced: Raced = {
      call,
      digest: shown.digest,
      argumentsDigest: shown.arguments,
      status: 'completed',
      code: undefined,
      decisions: await until(() => books.decided(call).length > 0 && books.decided(call)),
      runs: runs.get(call) ?? [],
      approvals: ['ann'],
      denials: [],
    };
    expect(judgeRace(raced)).toEqual([`${call}: executed 2 times`, `${call}: completed, executed 2 times`]);
  });
});
