/**
 * Three ways to keep a budget strict over gateways, in turns on one server: a counter of the server (add, look, take
 * back), compare-and-set for each call, and purses. Each call reserves and settles; two connections spend from the same
 * nodes. `npm run bench:ledger`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connectBroker, type NatsConnection } from '../src/fabric/connection.js';
import { BudgetStore } from '../src/fabric/budgets.js';
import { LightPublisher } from '../src/fabric/publisher.js';
import { freshInbox } from '../src/fabric/raw.js';
import { ensureStreams, openBucket } from '../src/fabric/streams.js';
import { startServer } from '../src/fabric/server.js';
import { tempFolder } from '../src/fabric/temp-folder.js';
import { mintUsers } from '../src/fabric/users.js';
import { freshNode, settleUp, type NodeRecord } from '../src/domain/budget/node-record.js';
import { encodeHeaders } from '../src/wire/headers.js';
import { silent } from '../src/wire/log.js';
import { Purses } from '../src/gateway/budget/purses.js';
import type { Token } from '../src/wire/names.js';

const LIMIT = { micros: 9_000_000_000_000 };
const RESERVE = { micros: 100 };
const USED = { micros: 60 };
const ENDS = Date.now() + 86_400_000;
const IN_FLIGHT = 32;
const MS = Number(process.argv[2] ?? 2_000);

interface Spender {
  readonly nc: NatsConnection;
  readonly pub: LightPublisher;
  readonly purses: Purses;
  readonly store: BudgetStore;
}
type Way = (spender: Spender, node: string) => Promise<void>;

/** Add, look whether it was too much, take back what was not used: two writes a call. */
const counter: Way = async ({ pub }, node) => {
  const add = (n: number) =>
    pub.publishAsync(
      `_k.count.${node}`,
      new Uint8Array(0),
      encodeHeaders([['Nats-Incr', n < 0 ? `${n}` : `+${n}`]]),
    );
  await add(RESERVE.micros);
  await add(USED.micros - RESERVE.micros);
};

/** Read and change until nobody was first, for the reservation and for the settlement. */
const compareAndSet: Way = async ({ store }, node) => {
  for (const spent of [0, USED.micros]) {
    for (let stored = false; !stored;) {
      const at = await store.get<NodeRecord>(`node.${node}`);
      const now = at.value ?? freshNode(LIMIT, ENDS);
      const settled = { micros: (now.purses['all']?.f.micros ?? 0) + spent };
      const change = { settled, debt: {}, nowMs: Date.now(), ...(spent === 0 ? { need: RESERVE } : {}) };
      const next = settleUp(now, 'all', change);
      stored = (await store.put(`node.${node}`, next, at.revision, 60_000)).kind === 'stored';
    }
  }
};

const purse: Way = async ({ purses }, node) => {
  const nodes = [{ key: node, standing: node, limit: LIMIT, endsMs: ENDS, thresholds: { halt: 100 } }];
  let reservation = purses.reserve(nodes, RESERVE);
  while (reservation === undefined) {
    purses.want(nodes, RESERVE);
    await sleep(1);
    reservation = purses.reserve(nodes, RESERVE);
  }
  await Promise.resolve(); // a call goes on in another turn
  purses.settle(reservation, { charged: USED, debt: {} });
};

/** Calls a second of both spenders together. */
async function rate(way: Way, spenders: readonly Spender[], nodes: number, name: string): Promise<number> {
  const end = performance.now() + MS;
  let done = 0;
  const one = async (spender: Spender, i: number): Promise<void> => {
    for (let n = i; performance.now() < end; n++) {
      await way(spender, `${name}-${n % nodes}`);
      done++;
      if (done % 1_000 === 0) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  };
  await Promise.all(spenders.flatMap((s) => Array.from({ length: IN_FLIGHT }, (_, i) => one(s, i))));
  return Math.round((done * 1_000) / MS);
}

const folder = tempFolder('capmesh-ledger-');
const [user] = await mintUsers(folder.data, [{ name: 'control', role: 'control' }]);
const server = await startServer({ dir: folder.data });
const open = async (): Promise<Spender> => {
  const nc = await connectBroker({ url: server.url, name: 'control', seed: user?.seed ?? '' });
  const pub = new LightPublisher(nc, freshInbox(nc));
  const name = `bench-${Math.random().toString(36).slice(2, 8)}` as Token;
  const purses = new Purses({ name, nc, pub, log: silent, confirmedMs: () => performance.now() });
  purses.start({ floor: 0, published: { all: 0, answered: 0 } }, () => undefined);
  return { nc, pub, purses, store: new BudgetStore(nc, pub) };
};
const first = await open();
await ensureStreams(first.nc, 'bench');
await openBucket(first.nc, 'mesh_budget', true);
const created = await first.nc.request(
  '$JS.API.STREAM.CREATE.COUNT',
  JSON.stringify({
    name: 'COUNT',
    subjects: ['_k.count.>'],
    retention: 'limits',
    storage: 'file',
    num_replicas: 1,
    allow_msg_counter: true,
    allow_direct: true,
  }),
);
const { error } = created.json<{ error?: { description: string } }>();
if (error !== undefined) {
  throw new Error(error.description);
}
const spenders = [first, await open()];
for (const nodes of [1, 50]) {
  for (const [name, way] of Object.entries({ counter, compareAndSet, purse })) {
    const perSecond = await rate(way, spenders, nodes, `${name.toLowerCase()}-${nodes}`);
    process.stdout.write(`${JSON.stringify({ way: name, nodes, inFlight: 2 * IN_FLIGHT, perSecond })}\n`);
  }
}
for (const { purses, pub, nc } of spenders) {
  await purses.stop();
  pub.close();
  await nc.close();
}
await server.stop();
folder.remove();
