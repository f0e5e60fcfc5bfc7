/**
 * Three ways to keep a rate strict over gateways, in turns on one server: a token bucket in the bucket of the server,
 * changed by compare-and-set for each call; an equal part for each gateway, fixed; and slots with loans, as the product
 * does it. `perSecond`: decisions of two gateways together under a limit that nobody reaches. `usedPercent`: how much of a
 * limit they let through while all calls come to one of them. `npm run bench:shares`.
 */
import { BudgetStore } from '../src/fabric/budgets.js';
import { connectBroker } from '../src/fabric/connection.js';
import { LightPublisher } from '../src/fabric/publisher.js';
import { freshInbox } from '../src/fabric/raw.js';
import { startServer } from '../src/fabric/server.js';
import { ensureStreams, openBucket } from '../src/fabric/streams.js';
import { tempFolder } from '../src/fabric/temp-folder.js';
import { mintUsers } from '../src/fabric/users.js';
import { RateBook, type RateFacts } from '../src/domain/rate/book.js';
import { Slots, SLOTS } from '../src/domain/rate/slots.js';
import { Traffic } from '../src/domain/rate/traffic.js';
import { OpenSet } from '../src/gateway/open.js';
import { Rates } from '../src/gateway/rates/rates.js';
import { silent } from '../src/wire/log.js';
import type { Token } from '../src/wire/names.js';

const MS = Number(process.argv[2] ?? 2_000);
const IN_FLIGHT = 32;
const FEW = 200;
const BURST = 20;
const MANY = 1_000_000;
const traffic = new Traffic({
  rates: {
    many: { each: 'caller', who: ['many'], rate: `${MANY}/s`, burst: MANY },
    few: { each: 'caller', who: ['few'], rate: `${FEW}/s`, burst: BURST },
  },
});

type Name = 'many' | 'few';
/** May one more call begin? */
type Way = (name: Name) => boolean | Promise<boolean>;

function factsOf(name: Name): RateFacts {
  return {
    principal: name,
    caller: name,
    capability: 'a.b',
    root: `${name}.root`,
    parent: undefined,
    depth: 1,
  };
}

/** When a call that comes now would have its token (GCRA): read and change until nobody was first. */
function compareAndSet(store: BudgetStore): Way {
  return async (name) => {
    const [everyMs, burst] =
      name === 'many' ? ([1_000 / MANY, MANY] as const) : ([1_000 / FEW, BURST] as const);
    for (;;) {
      const { value, revision } = await store.get<{ atMs: number }>(`rate.${name}`);
      const nowMs = Date.now();
      const atMs = Math.max(nowMs, value?.atMs ?? 0) + everyMs;
      if (atMs - nowMs > burst * everyMs) {
        return false;
      }
      if ((await store.put(`rate.${name}`, { atMs }, revision, 60_000)).kind === 'stored') {
        return true;
      }
    }
  };
}

function taken(book: RateBook, name: Name): boolean {
  const nowMs = performance.now();
  const { accounts, misfit } = book.look(factsOf(name), nowMs);
  if (misfit === undefined) {
    accounts.forEach((account) => account.take(nowMs));
  }
  return misfit === undefined;
}

/** Half of everything, whatever the other one does. */
function split(): Way {
  const book = new RateBook(new Slots());
  book.limits = traffic.limits;
  for (let slot = 0; slot < SLOTS / 2; slot++) {
    book.slots.gain(slot, Infinity, Infinity, performance.now(), Date.now());
  }
  return (name) => taken(book, name);
}

/** As a gateway does it. */
function slots(rates: Rates): Way {
  return (name) => {
    if (taken(rates.book, name)) {
      return true;
    }
    const { accounts, misfit } = rates.book.look(factsOf(name), rates.nowMs());
    rates.refused({ accounts });
    rates.borrow({ lacks: misfit?.account?.mayBorrow(rates.nowMs()) === true ? [misfit.account] : [] });
    return false;
  };
}

/** Let in within the time, by as many as ask side by side. */
async function letIn(ways: readonly Way[], name: Name, ms: number): Promise<number> {
  const end = performance.now() + ms;
  let yes = 0;
  const one = async (way: Way): Promise<void> => {
    for (let n = 1; performance.now() < end; n++) {
      const may = await way(name);
      yes += Number(may && performance.now() < end);
      if (name === 'few' || n % 1_000 === 0) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  };
  await Promise.all(ways.flatMap((way) => Array.from({ length: IN_FLIGHT }, () => one(way))));
  return yes;
}

const folder = tempFolder('capmesh-shares-');
const [control, gateway] = await mintUsers(folder.data, [
  { name: 'control', role: 'control' },
  { name: 'gateway', role: 'gateway' },
]);
const server = await startServer({ dir: folder.data });
const open = async (user: typeof control) => {
  const nc = await connectBroker({ url: server.url, name: 'bench', seed: user?.seed ?? '' });
  return { nc, pub: new LightPublisher(nc, freshInbox(nc)) };
};
const links = [await open(control), await open(control), await open(gateway), await open(gateway)] as const;
await ensureStreams(links[0].nc, 'bench');
await openBucket(links[0].nc, 'mesh_budget', true);
await openBucket(links[0].nc, 'mesh_rate', true);
const names = ['one', 'two'] as Token[];
const shares = names.map((_, i) => ({ link: links[i === 0 ? 2 : 3], rates: new Rates(() => traffic) }));
for (const [i, { link, rates }] of shares.entries()) {
  const voice = { ...link, name: names[i] as Token, log: silent, confirmedMs: Infinity };
  const others = names.filter((_, n) => n !== i);
  await rates.start({
    core: voice,
    open: new OpenSet(() => undefined),
    gateways: () => others,
    poke: () => undefined,
  });
}
const all: readonly (readonly [string, readonly Way[]])[] = [
  ['compareAndSet', links.slice(0, 2).map(({ nc, pub }) => compareAndSet(new BudgetStore(nc, pub)))],
  ['split', [split(), split()]],
  ['slots', shares.map(({ rates }) => slots(rates))],
];
for (const [way, both] of all) {
  const perSecond = Math.round(((await letIn(both, 'many', MS)) * 1_000) / MS);
  await letIn(both.slice(0, 1), 'few', 1_500); // what it begins with is used up, and loans are there
  const used = await letIn(both.slice(0, 1), 'few', MS);
  const usedPercent = Math.round((used * 100_000) / (FEW * MS));
  process.stdout.write(`${JSON.stringify({ way, perSecond, usedPercent })}\n`);
}
for (const { rates } of shares) {
  await rates.stop();
}
for (const { nc, pub } of links) {
  pub.close();
  await nc.close();
}
await server.stop();
folder.remove();
