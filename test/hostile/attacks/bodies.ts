/**
 * Large bodies by reference: references of others, made up, and bytes that change.
 */
import { randomBytes } from 'node:crypto';
import { limits } from '../../../src/wire/limits.js';
import { BodyClient } from '../../support/body-client.js';
import { anyOf, type Attack } from '../attack.js';
import { answerTo } from '../wire.js';
import { fresh, type World } from '../world.js';

const SIZE = limits.chunkBytes + 1_000;
const client = (w: World, who: string): BodyClient => new BodyClient(w.raw(who), who);

/** Did a call with this reference run? */
async function runs(w: World, who: string, ref: string): Promise<boolean> {
  const before = w.town.runs.length;
  const lines = { 'Mesh-Call': fresh(), 'Mesh-Body-Ref': ref, 'Content-Type': 'application/octet-stream' };
  await answerTo(w.raw(who), `mesh.v1.ask.${who}.body.blob`, '', lines, 5_000);
  return w.town.runs.slice(before).some(({ capability }) => capability === 'body.blob');
}

const own = async (w: World): Promise<boolean> =>
  runs(w, 'mallory', await client(w, 'mallory').upload(randomBytes(SIZE)));

export const bodies: Attack[] = [
  {
    id: 'fetch-anothers-body',
    position: 'stolen',
    attack: 'Fetch, send, change or drop a body of somebody else, its reference being known.',
    mechanism: 'A reference is sealed for one owner and one reader, and counts for nobody else',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const body = randomBytes(SIZE);
      const [hers, mine] = [client(w, 'alice'), client(w, 'mallory')];
      const ref = await hers.upload(body);
      const begun = await hers.begin(body);
      const got = await mine.fetch(ref, 1);
      await mine.drop(ref);
      await mine.chunk(begun.ref, 1, body.subarray(0, limits.chunkBytes));
      const ran = await runs(w, 'mallory', ref);
      const dropped = (await hers.fetch(ref, 1)).code !== undefined;
      const written = (await hers.end(begun.ref)).code === undefined;
      return body.includes(Buffer.from(got.data.subarray(0, 64))) || ran || dropped || written;
    },
    control: own,
  },
  {
    id: 'forge-a-reference',
    position: 'caller',
    attack: 'Make a reference up, or change the owner, the size or the digest in one.',
    mechanism: 'References have a mac, which differs for writing and for reading',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const body = randomBytes(SIZE);
      const mine = client(w, 'mallory');
      const ref = await mine.upload(body);
      const hers = await client(w, 'alice').upload(body);
      const begun = await mine.begin(body);
      const forged = [
        'x',
        ref.slice(0, -3),
        ref.replace(/.$/, (c) => (c === '0' ? '1' : '0')),
        ref.replace(`.${SIZE}.`, `.${SIZE - 1}.`),
        hers.replace(/^alice/, 'mallory'),
        begun.ref,
        `${ref}.x`,
      ];
      return anyOf(
        forged,
        async (one) => (await runs(w, 'mallory', one)) || (await mine.fetch(one, 1)).code === undefined,
      );
    },
    control: own,
  },
  {
    id: 'change-a-body',
    position: 'caller',
    attack: 'Write a chunk again with other bytes, after it was looked at.',
    mechanism: 'A chunk is written once: the server refuses a second message on its subject',
    enforcedBy: 'broker',
    attempt: async (w) => {
      const body = randomBytes(SIZE);
      const mine = client(w, 'mallory');
      const { ref: begun } = await mine.begin(body);
      const chunks = [body.subarray(0, limits.chunkBytes), body.subarray(limits.chunkBytes)] as const;
      await mine.chunk(begun, 1, chunks[0]);
      await mine.chunk(begun, 2, chunks[1]);
      const { ref } = await mine.end(begun);
      const other = randomBytes(1_000);
      await mine.chunk(begun, 2, other);
      await mine.chunk(ref, 2, other);
      return Buffer.from((await mine.fetch(ref, 2)).data).equals(other);
    },
    control: async (w) => {
      const body = randomBytes(SIZE);
      const mine = client(w, 'mallory');
      const ref = await mine.upload(body);
      return Buffer.from((await mine.fetch(ref, 2)).data).equals(body.subarray(limits.chunkBytes));
    },
    naive: {
      where: 'in a stream that takes the last word',
      attempt: async (w) => {
        const naive = await w.naive();
        await naive.stream({
          name: 'CHUNKS',
          subjects: ['chunks.*'],
          max_msgs_per_subject: 1,
          storage: 'memory',
        });
        await answerTo(naive.other, 'chunks.1', 'first');
        const ack = await answerTo(naive.attacker, 'chunks.1', 'second');
        return ack?.string().includes('"seq":2') === true;
      },
    },
  },
  {
    id: 'body-unlike-its-digest',
    position: 'caller',
    attack: 'Announce a body by one digest and send another.',
    mechanism: 'A reference for reading is sealed only over bytes that have the announced digest',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const mine = client(w, 'mallory');
      const { ref } = await mine.begin(randomBytes(SIZE));
      const body = randomBytes(SIZE);
      await mine.chunk(ref, 1, body.subarray(0, limits.chunkBytes));
      await mine.chunk(ref, 2, body.subarray(limits.chunkBytes));
      const end = await mine.end(ref);
      return end.code === undefined && (await runs(w, 'mallory', end.ref));
    },
    control: own,
  },
];
