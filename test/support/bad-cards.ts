/**
 * Cards that are refused, each for one reason.
 */
export interface BadCard {
  readonly name: string;
  readonly card: string;
  readonly expect: string;
}

const withInput = (input: unknown): string =>
  JSON.stringify({ concurrency: 1, capabilities: [{ name: 'evil.thing', version: '1.0', input }] });

const card = (name: string, value: unknown, expected: string): BadCard => ({
  name,
  card: typeof value === 'string' ? value : JSON.stringify(value),
  expect: expected,
});

const doubling = Object.fromEntries(
  Array.from({ length: 30 }, (_, i) => [
    `a${i}`,
    { anyOf: [{ $ref: `#/$defs/a${i + 1}` }, { $ref: `#/$defs/a${i + 1}` }] },
  ]),
);

export const badCards: readonly BadCard[] = [
  card('not JSON', '{', 'body_undecodable'),
  card('no capabilities', { concurrency: 1, capabilities: [] }, 'card_invalid'),
  card(
    'unknown fields',
    { concurrency: 1, capabilities: [{ name: 'a.b', version: '1.0', magic: 1 }] },
    'card_invalid',
  ),
  card('a bad version', { concurrency: 1, capabilities: [{ name: 'a.b', version: '1' }] }, 'card_invalid'),
  card('a bad name', { concurrency: 1, capabilities: [{ name: 'a.*', version: '1.0' }] }, 'card_invalid'),
  card('no concurrency', { concurrency: 0, capabilities: [{ name: 'a.b', version: '1.0' }] }, 'card_invalid'),
  card(
    'one capability twice',
    {
      concurrency: 1,
      capabilities: [
        { name: 'a.b', version: '1.0' },
        { name: 'a.b', version: '1.1' },
      ],
    },
    'card_invalid',
  ),
  card(
    'a life of a year',
    { concurrency: 1, capabilities: [{ name: 'a.b', version: '1.0', lifeMs: 31_536_000_000 }] },
    'card_invalid',
  ),
  card(
    '300 KB',
    { concurrency: 1, description: 'x'.repeat(300_000), capabilities: [{ name: 'a.b', version: '1.0' }] },
    'body_too_large',
  ),
  card('a remote reference', withInput({ $ref: 'http://127.0.0.1/evil.json' }), 'card_schema'),
  card('a reference to a file', withInput({ $ref: 'file:///etc/passwd' }), 'card_schema'),
  card('a reference to nowhere', withInput({ $ref: '#/$defs/none' }), 'card_schema'),
  card('a reference to itself', withInput({ $ref: '#' }), 'card_schema'),
  card(
    'a circle of references',
    withInput({ $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } }),
    'card_schema',
  ),
  card(
    'recursion that doubles',
    withInput({
      $ref: '#/$defs/a',
      $defs: {
        a: {
          anyOf: [{ properties: { x: { $ref: '#/$defs/a' } } }, { properties: { x: { $ref: '#/$defs/a' } } }],
        },
      },
    }),
    'card_schema',
  ),
  card(
    'references that double',
    withInput({ $ref: '#/$defs/a0', $defs: { ...doubling, a30: true } }),
    'card_schema',
  ),
  card('$data', withInput({ properties: { a: { maximum: { $data: '1/b' } } } }), 'card_schema'),
  card('a dynamic reference', withInput({ $dynamicRef: '#x' }), 'card_schema'),
  card('a pattern with a back reference', withInput({ type: 'string', pattern: '(a*)\\1+$' }), 'card_schema'),
  card(
    'a pattern with a look-ahead',
    withInput({ type: 'string', pattern: '^(?=(a+))\\1*b' }),
    'card_schema',
  ),
  card('a pattern without end', withInput({ type: 'string', pattern: 'a?'.repeat(2_000) }), 'card_schema'),
  card('an evil pattern for names', withInput({ patternProperties: { '(a+)+\\1': true } }), 'card_schema'),
  card('uniqueItems without a bound', withInput({ type: 'array', uniqueItems: true }), 'card_schema'),
  card('a type that does not exist', withInput({ type: 'strnig' }), 'card_schema'),
  card(
    '70 KB of schema',
    withInput({ enum: Array.from({ length: 10_000 }, (_, i) => `v${i}`) }),
    'card_schema',
  ),
];
