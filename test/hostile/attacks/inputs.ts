/**
 * Bodies and cards that are made to be read differently, to cost too much, or to change the reader.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { limits } from '../../../src/wire/limits.js';
import { anyOf, type Attack } from '../attack.js';
import { answerTo, codeIn } from '../wire.js';
import { fresh, type World } from '../world.js';

type Body = string | Uint8Array;

/** Did the handler of victim run on this body? `who` may call it. */
async function taken(
  w: World,
  capability: string,
  body: Body,
  lines: Record<string, string> = {},
  who = 'mallory',
): Promise<boolean> {
  const before = w.town.runs.length;
  const reply = await answerTo(
    w.raw(who),
    `mesh.v1.ask.${who}.${capability}`,
    body,
    { 'Mesh-Call': fresh(), ...lines },
    4_000,
  );
  w.note(`${capability}: ${codeIn(reply)}`);
  return w.town.runs.slice(before).some((run) => run.capability === capability);
}

/** Is one of these bodies taken by the capability? */
const anyTaken =
  (capability: string, bodies: readonly Body[], lines: Record<string, string> = {}) =>
  (w: World) =>
    anyOf(bodies, (body) => taken(w, capability, body, lines));

/** Which of two readers sees what: the first value of a key, or the last. */
const firstOf = (json: string, key: string): number => Number(new RegExp(`"${key}":(\\d+)`).exec(json)?.[1]);

const nest = (open: string, close: string, n: number): string => open.repeat(n) + close.repeat(n);
const bytes = (...list: number[]): Uint8Array => Uint8Array.from(list);
const SPLIT = '{"amount":5,"currency":"EUR","amount":5000}';
const ESCAPED = '{"amount":5,"currency":"EUR","\\u0061mount":5000}';
const MSGPACK = { 'Content-Type': 'application/msgpack' };

/** The mesh answers somebody else meanwhile within this. */
const QUICK_MS = 1_000;
async function stalls(w: World, act: () => Promise<unknown>): Promise<boolean> {
  const began = performance.now();
  const acting = act();
  await w.sdk('alice').call('pay.out', { n: 0 });
  const ms = performance.now() - began;
  await acting;
  w.note(`others waited ${Math.round(ms)} ms`);
  return ms > QUICK_MS;
}

/** Present a card; true when it was taken. */
async function certified(w: World, card: unknown, who = 'evil'): Promise<boolean> {
  const body = typeof card === 'string' ? card : JSON.stringify(card);
  const reply = await answerTo(
    w.raw(who),
    `mesh.v1.hello.${who}.i-card`,
    body,
    { 'Mesh-Instance': 'i-card' },
    5_000,
  );
  w.note(`card: ${codeIn(reply)}`);
  return reply !== undefined && codeIn(reply) === '';
}

const cardWith = (input: unknown, name = 'evil.card') => ({
  concurrency: 1,
  capabilities: [{ name, version: '1.0', input }],
});
const doubling = Object.fromEntries(
  Array.from({ length: 30 }, (_, i) => [
    `a${i}`,
    { anyOf: [{ $ref: `#/$defs/a${i + 1}` }, { $ref: `#/$defs/a${i + 1}` }] },
  ]),
);

/** A card of carder's is fine with a plain schema, so that what is refused is refused for its schema. */
const plainCard = (w: World) => certified(w, cardWith({ type: 'object' }, 'carder.x'), 'carder');

export const inputs: Attack[] = [
  {
    id: 'key-twice',
    position: 'caller',
    attack: 'Send a key twice, so that the rule reads the small amount and the agent the large one.',
    mechanism: 'A body with a duplicate key is no body, also when one of the two is written in escapes',
    enforcedBy: 'gateway',
    attempt: anyTaken('pay.rule', [SPLIT, ESCAPED]),
    control: (w) => taken(w, 'pay.rule', '{"amount":5,"currency":"EUR"}'),
    naive: {
      where: 'where two parsers disagree',
      attempt: () =>
        Promise.resolve(
          firstOf(SPLIT, 'amount') === 5 && (JSON.parse(SPLIT) as { amount: number }).amount === 5000,
        ),
    },
  },
  {
    id: 'numbers-that-round',
    position: 'caller',
    attack: 'Send numbers that one reader rounds and another does not: 2^53+1, 1e400, 30 digits.',
    mechanism: 'Numbers that JSON readers disagree on are refused',
    enforcedBy: 'gateway',
    attempt: anyTaken(
      'pay.rule',
      ['9007199254740993', '1e400', '-1e400', '123456789012345678901234567890'].map(
        (n) => `{"amount":1,"currency":"EUR","x":${n}}`,
      ),
    ),
    control: (w) => taken(w, 'pay.rule', '{"amount":1,"currency":"EUR","x":9007199254740991}'),
    naive: {
      where: 'with a plain parser',
      attempt: () => Promise.resolve(JSON.parse('9007199254740993') === 9007199254740992),
    },
  },
  {
    id: 'pollute-the-prototype',
    position: 'caller',
    attack:
      'Send __proto__, plainly, deep inside and in escapes, and so give every object of the reader a property.',
    mechanism: '__proto__ is refused as a key before a value is made',
    enforcedBy: 'gateway',
    attempt: async (w) =>
      (await anyTaken('body.blob', [
        '{"__proto__":{"owned":1}}',
        '{"a":[{"__proto__":{"owned":1}}]}',
        '{"\\u005f_proto__":{"owned":1}}',
      ])(w)) ||
      (await anyTaken('evil.echo', ['{"__proto__":{"owned":1}}', '{"\\u005f_proto__":{"owned":1}}'])(w)) ||
      ({} as { owned?: number }).owned === 1,
    control: (w) => taken(w, 'evil.echo', '{"proto":{"owned":1}}'),
    naive: {
      where: 'in a handler that merges',
      attempt: () => {
        const merge = (into: Record<string, unknown>, from: Record<string, unknown>): void =>
          Object.keys(from).forEach((key) => {
            const value = from[key];
            if (typeof value === 'object' && value !== null) {
              merge((into[key] ??= {}) as Record<string, unknown>, value as Record<string, unknown>);
            } else {
              into[key] = value;
            }
          });
        merge({}, JSON.parse('{"__proto__":{"ownedByTest":1}}') as Record<string, unknown>);
        const owned = ({} as { ownedByTest?: number }).ownedByTest === 1;
        delete (Object.prototype as { ownedByTest?: number }).ownedByTest;
        return Promise.resolve(owned);
      },
    },
  },
  {
    id: 'not-quite-json',
    position: 'caller',
    attack:
      'Send what lenient readers take: comments, bytes behind the value, a byte order mark, bad UTF-8, NaN.',
    mechanism: 'One strict decoder: UTF-8, one JSON value, nothing else',
    enforcedBy: 'gateway',
    attempt: anyTaken('evil.echo', [
      '{"a":1} x',
      '{}{}',
      '{"a":1 /* x */}',
      '[1,2,]',
      "{'a':1}",
      '{"a":NaN}',
      bytes(0xef, 0xbb, 0xbf, 0x7b, 0x7d),
      bytes(0x22, 0xff, 0xfe, 0x22),
      '"a\u0001b"',
    ]),
    control: (w) => taken(w, 'evil.echo', '{"a":1}'),
  },
  {
    id: 'json-bombs',
    position: 'caller',
    attack:
      'Send a body that is small on the wire and large to read: deep nests, open brackets, tens of thousands of values.',
    mechanism: 'Depth, values and bytes are counted before anything is parsed',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const bombs = [
        nest('[', ']', 100_000),
        '['.repeat(400_000),
        nest('{"a":', '}', 50_000),
        JSON.stringify(Array.from({ length: 60_000 }, () => 0)),
        `"${'x'.repeat(1_000_001)}"`,
      ];
      let ran = false;
      const stalled = await stalls(w, async () => (ran = await anyTaken('evil.echo', bombs)(w)));
      return ran || stalled;
    },
    control: (w) => taken(w, 'evil.echo', nest('[', ']', 30)),
    naive: {
      where: 'with a recursive reader',
      attempt: () => {
        const depth = (value: unknown): number => (Array.isArray(value) ? 1 + depth(value[0]) : 0);
        try {
          depth(JSON.parse(nest('[', ']', 100_000)));
          return Promise.resolve(false);
        } catch (err) {
          return Promise.resolve(err instanceof RangeError);
        }
      },
    },
  },
  {
    id: 'msgpack-lies',
    position: 'caller',
    attack: 'Announce arrays and maps of four billion entries, extension types and deep nests in msgpack.',
    mechanism:
      'msgpack is walked within the same bounds before it is decoded, and carries only what JSON carries',
    enforcedBy: 'gateway',
    attempt: (w) =>
      anyTaken(
        'evil.echo',
        [
          bytes(0xdd, 0xff, 0xff, 0xff, 0xff),
          bytes(0xdf, 0xff, 0xff, 0xff, 0xff),
          bytes(0xc6, 0xff, 0xff, 0xff, 0xff),
          bytes(0xd4, 0x01, 0x00),
          bytes(0xc7, 0x05, 0x01, 1, 2, 3, 4, 5),
          Uint8Array.from({ length: 50_000 }, () => 0x91),
          bytes(0x82, 0xa1, 0x61, 1, 0xa1, 0x61, 2),
        ],
        MSGPACK,
      )(w),
    control: (w) => taken(w, 'evil.echo', bytes(0x81, 0xa1, 0x61, 0x01), MSGPACK),
  },
  {
    id: 'mislabelled-body',
    position: 'caller',
    attack:
      'Call bytes JSON, or JSON bytes, so that rules and schemas read nothing and the agent reads something.',
    mechanism: 'A body is read as what it is called, and only what the card takes is given out',
    enforcedBy: 'gateway',
    attempt: async (w) =>
      (await taken(w, 'pay.rule', '{"amount":5000,"currency":"EUR"}', {
        'Content-Type': 'application/octet-stream',
      })) ||
      (await taken(w, 'pay.rule', '{"amount":5000,"currency":"EUR"}', { 'Content-Type': 'text/plain' })) ||
      (await taken(w, 'pay.rule', '{"amount":5000,"currency":"EUR"}', MSGPACK)),
    control: (w) => taken(w, 'body.blob', '{"amount":5000}', { 'Content-Type': 'application/octet-stream' }),
  },
  {
    id: 'arguments-that-break-a-rule',
    position: 'caller',
    attack: 'Send arguments on which a rule that refuses cannot be judged: another type, a missing field.',
    mechanism: 'A rule that cannot be judged is a no',
    enforcedBy: 'gateway',
    attempt: anyTaken('pay.rule', [
      '{"amount":"5000","currency":"EUR"}',
      '{"amount":[5000],"currency":"EUR"}',
      '{"amount":5000}',
      '{"currency":"EUR"}',
      'null',
      '[]',
    ]),
    control: (w) => taken(w, 'pay.rule', '{"amount":5,"currency":"EUR"}'),
    naive: {
      where: 'where an error is not a match',
      attempt: () => {
        const refuses = (args: { amount?: number }): boolean => (args.amount ?? Number.NaN) >= 1000;
        return Promise.resolve(!refuses(JSON.parse('{"currency":"EUR"}') as object)); // it lets pass what it cannot judge
      },
    },
  },
  {
    id: 'arguments-that-cost',
    position: 'caller',
    attack: 'Send lists that make a condition with nested loops take minutes.',
    mechanism: 'All conditions of a call share a budget of steps; when it is spent, the answer is no',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const body = JSON.stringify({
        amount: 5,
        currency: 'EUR',
        list: Array.from({ length: 20_000 }, (_, i) => i / 100_000),
      });
      let ran = false;
      const stalled = await stalls(w, async () => (ran = await taken(w, 'pay.rule', body)));
      return ran || stalled;
    },
    control: (w) => taken(w, 'pay.rule', '{"amount":5,"currency":"EUR","list":[1,2,3]}'),
  },
  {
    id: 'more-than-the-schema',
    position: 'caller',
    attack: 'Send fields, types and depths that the card of the capability does not take.',
    mechanism: 'A body is held against the schema of the card before anybody is chosen',
    enforcedBy: 'gateway',
    attempt: anyTaken('strict.body', [
      '{"amount":1,"admin":true}',
      '{"amount":"1"}',
      '{}',
      '{"amount":1.5}',
      '[]',
      'null',
    ]),
    control: (w) => taken(w, 'strict.body', '{"amount":1}'),
  },
  {
    id: 'text-that-backtracks',
    position: 'caller',
    attack: "Send the text that makes a pattern of the card's schema backtrack for ever.",
    mechanism: 'Patterns run in linear time (no backtracking engine)',
    enforcedBy: 'gateway',
    attempt: (w) => stalls(w, () => taken(w, 'strict.linear', JSON.stringify(`${'a'.repeat(5_000)}!`))),
    control: (w) => taken(w, 'strict.linear', JSON.stringify('a'.repeat(500))),
    naive: {
      where: 'with the engine of the language',
      attempt: () => {
        const cost = (n: number): number => {
          const began = performance.now();
          new RegExp('^(a+)+$').test(`${'a'.repeat(n)}!`);
          return performance.now() - began;
        };
        cost(10);
        return Promise.resolve(cost(24) > 20 * cost(16)); // it doubles with each letter
      },
    },
  },
  {
    id: 'card-that-fetches',
    position: 'agent',
    attack: 'Present a card whose schema refers to a url or a file, so that the mesh fetches it (SSRF).',
    mechanism: 'A schema may refer only within itself; nothing is ever fetched',
    enforcedBy: 'control',
    attempt: async (w) => {
      let asked = 0;
      const server = createServer((_, response) => void (asked++, response.end('{}')));
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/evil.json`;
      const took = await anyOf(
        [{ $ref: url }, { $ref: 'file:///etc/passwd' }, { $schema: url, $id: url, $ref: `${url}#/a` }],
        (input) => certified(w, cardWith(input)),
      );
      await new Promise((done) => server.close(done));
      return took || asked > 0;
    },
    control: (w) =>
      certified(w, cardWith({ $ref: '#/$defs/a', $defs: { a: { type: 'object' } } }, 'carder.x'), 'carder'),
  },
  {
    id: 'card-that-explodes',
    position: 'agent',
    attack: 'Present a schema that doubles, circles or is as large as a book.',
    mechanism: 'A schema has a weight, counted with its references expanded, and a bound on it',
    enforcedBy: 'control',
    attempt: async (w) => {
      let took = false;
      const stalled = await stalls(w, async () => {
        took = await anyOf(
          [
            cardWith({ $ref: '#/$defs/a0', $defs: { ...doubling, a30: true } }),
            cardWith({ $ref: '#' }),
            cardWith({ $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } }),
            cardWith({ enum: Array.from({ length: 10_000 }, (_, i) => `v${i}`) }),
            { ...cardWith({}), description: 'x'.repeat(limits.cardBytes) },
          ],
          (card) => certified(w, card),
        );
      });
      return took || stalled;
    },
    control: plainCard,
  },
  {
    id: 'card-that-computes',
    position: 'agent',
    attack: 'Present a schema with $data, dynamic references, look-aheads and back references.',
    mechanism: 'Only keywords whose cost can be bounded are taken',
    enforcedBy: 'control',
    attempt: (w) =>
      anyOf(
        [
          { properties: { a: { maximum: { $data: '1/b' } } } },
          { $dynamicRef: '#x' },
          { type: 'string', pattern: '(a*)\\1+$' },
          { type: 'string', pattern: '^(?=(a+))\\1*b' },
          { patternProperties: { '(a+)+\\1': true } },
          { type: 'array', uniqueItems: true },
        ],
        (input) => certified(w, cardWith(input)),
      ),
    control: (w) => certified(w, cardWith({ type: 'string', pattern: '^(a+)+$' }, 'carder.x'), 'carder'),
  },
  {
    id: 'card-for-anothers-work',
    position: 'agent',
    attack: "Offer another agent's capability, cheaper and better than everybody, and so get its calls.",
    mechanism: 'An agent serves what its role certifies; what it says of itself routes nothing else',
    enforcedBy: 'control',
    attempt: async (w) => {
      const boast = { version: '1.0', cost: 0, proficiency: 1, description: 'I do everything' };
      const took = await anyOf(['pay.out', 'stock.read', 'admin'], (name) =>
        certified(w, { concurrency: 1_000, capabilities: [{ ...boast, name }] }),
      );
      const served = new Set<string>();
      for (let i = 0; i < 10; i++) {
        served.add((await w.sdk('alice').callForOutcome('pay.out', { n: 0 })).agent ?? '');
      }
      return took || served.has('evil');
    },
    control: (w) =>
      certified(w, { concurrency: 1, capabilities: [{ name: 'carder.x', version: '1.0' }] }, 'carder'),
  },
];
