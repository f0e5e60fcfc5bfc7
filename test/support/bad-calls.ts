/**
 * Calls that are wrong, each in one way, with the answer it must get.
 */
import { expect } from 'vitest';
import { newCallId } from '../../src/agent/index.js';
import type { RawCall } from './raw-caller.js';

export interface BadCall {
  readonly name: string;
  readonly make: () => RawCall;
  /** `status code` */
  readonly expect: string;
  readonly look?: (error: Record<string, unknown> | undefined) => void;
}

export const INPUT_SCHEMA = {
  type: 'object',
  properties: {
    to: { type: 'string', minLength: 1 },
    amount: { type: 'integer' },
    deep: { type: 'object', properties: { x: { type: 'number' } } },
  },
  required: ['to', 'amount'],
  additionalProperties: false,
};

const bytes = (...b: number[]) => Uint8Array.from(b);
const now = () => Date.now();

function body(name: string, value: string | Uint8Array, code: string): BadCall {
  return {
    name: `body: ${name}`,
    expect: `refused ${code}`,
    make: () => ({ capability: 'bad.open', headers: { 'Mesh-Call': newCallId() }, body: value }),
  };
}

function head(name: string, lines: () => Record<string, string>, expected: string): BadCall {
  return {
    name: `header: ${name}`,
    expect: expected,
    make: () => ({ capability: 'bad.open', headers: { 'Mesh-Call': newCallId(), ...lines() }, body: '{}' }),
  };
}

function id(name: string, value: () => string | undefined, expected: string): BadCall {
  return {
    name: `id: ${name}`,
    expect: expected,
    make: () => {
      const text = value();
      return {
        capability: 'bad.open',
        headers: text === undefined ? { 'Content-Type': 'application/json' } : { 'Mesh-Call': text },
        body: '{}',
      };
    },
  };
}

function capability(name: string, text: string, code: string): BadCall {
  return {
    name: `capability: ${name}`,
    expect: `refused ${code}`,
    make: () => ({ capability: text, headers: { 'Mesh-Call': newCallId() }, body: '{}' }),
  };
}

function schema(name: string, value: unknown, pointer: string): BadCall {
  return {
    name: `schema: ${name}`,
    expect: 'refused schema_violation',
    make: () => ({
      capability: 'bad.strict',
      headers: { 'Mesh-Call': newCallId() },
      body: JSON.stringify(value),
    }),
    look: (error) => expect(JSON.stringify(error)).toContain(pointer),
  };
}

const nest = (open: string, close: string, n: number) => open.repeat(n) + close.repeat(n);
const TICKET =
  '{"kid":"k1","epoch":"0","seq":1,"agent":"mallory","from":"a","call":"b","attempt":1,"deadline":9999999999999,"root":"a.b","chain":["a"]}';

export const badCalls: readonly BadCall[] = [
  body('cut off', '{"a":', 'body_undecodable'),
  body('bytes behind the value', '{"a":1} x', 'body_undecodable'),
  body('two values', '{}{}', 'body_undecodable'),
  body('not UTF-8', bytes(0x22, 0xff, 0xfe, 0x22), 'body_undecodable'),
  body('a byte order mark', bytes(0xef, 0xbb, 0xbf, 0x7b, 0x7d), 'body_undecodable'),
  body('NaN', '{"a":NaN}', 'body_undecodable'),
  body('Infinity', '[Infinity]', 'body_undecodable'),
  body('single quotes', "{'a':1}", 'body_undecodable'),
  body('a comment', '{"a":1 /* x */}', 'body_undecodable'),
  body('a trailing comma', '[1,2,]', 'body_undecodable'),
  body('a control character in a string', '"a\u0001b"', 'body_undecodable'),
  body('random bytes', bytes(...Array.from({ length: 200 }, (_, i) => (i * 73) % 256)), 'body_undecodable'),
  body('unbalanced brackets', ']]]]', 'body_undecodable'),
  body('arrays 33 deep', nest('[', ']', 33), 'body_too_deep'),
  body('arrays 100 000 deep', nest('[', ']', 100_000), 'body_too_deep'),
  body('objects 40 deep', `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`, 'body_too_deep'),
  body('open brackets without end', '['.repeat(50_000), 'body_too_deep'),
  body('60 000 values', JSON.stringify(Array.from({ length: 60_000 }, () => 0)), 'body_too_many'),
  body('too large', `"${'x'.repeat(1_000_001)}"`, 'body_too_large'),
  body('__proto__', '{"__proto__":{"x":1}}', 'body_key'),
  body('__proto__ further in', '{"a":[{"__proto__":1}]}', 'body_key'),
  body('__proto__ in escapes', '{"\\u005f_proto__":1}', 'body_key'),
  body('a key twice', '{"a":1,"a":2}', 'body_key'),
  body('a key twice, further in', '{"a":{"b":[{"c":1,"c":1}]}}', 'body_key'),
  body('a key twice, once in escapes', '{"a":1,"\\u0061":2}', 'body_key'),
  body('1e400', '{"n":1e400}', 'body_number'),
  body('-1e400', '[-1e400]', 'body_number'),
  body('2^53', '{"n":9007199254740992}', 'body_number'),
  body('a huge integer', '123456789012345678901234567890', 'body_number'),
  body('a huge number further in', '{"a":{"b":[1,2,9e99]}}', 'body_number'),
  head(
    'msgpack by content type',
    () => ({ 'Content-Type': 'application/x-msgpack' }),
    'refused content_type',
  ),
  head('text by content type', () => ({ 'Content-Type': 'text/plain' }), 'refused content_type'),
  head('major not a number', () => ({ 'Mesh-Major': 'abc' }), 'refused header_invalid'),
  head('major negative', () => ({ 'Mesh-Major': '-1' }), 'refused header_invalid'),
  head('major too large', () => ({ 'Mesh-Major': '70000' }), 'refused header_invalid'),
  head('major that nobody offers', () => ({ 'Mesh-Major': '9' }), 'refused version_unsupported'),
  head('child not a number', () => ({ 'Mesh-Child': '1.5' }), 'refused header_invalid'),
  head('labels without values', () => ({ 'Mesh-Labels': 'abc' }), 'refused header_invalid'),
  head('a label with a bad name', () => ({ 'Mesh-Labels': 'A*=1' }), 'refused header_invalid'),
  head(
    'seventeen labels',
    () => ({ 'Mesh-Labels': Array.from({ length: 17 }, (_, i) => `l${i}=1`).join(',') }),
    'refused header_invalid',
  ),
  head('a budget of nothing that counts', () => ({ 'Mesh-Budget': 'euros=5' }), 'refused header_invalid'),
  head('a budget below nothing', () => ({ 'Mesh-Budget': 'micros=-1' }), 'refused header_invalid'),
  head('a budget with a fraction', () => ({ 'Mesh-Budget': 'tokens=0.5' }), 'refused header_invalid'),
  head('a budget that is no number', () => ({ 'Mesh-Budget': 'tokens=NaN' }), 'refused header_invalid'),
  head('a budget without end', () => ({ 'Mesh-Budget': 'micros=1e308' }), 'refused header_invalid'),
  head('a budget said twice', () => ({ 'Mesh-Budget': 'micros=1,micros=2' }), 'refused header_invalid'),
  head('a context that is not ASCII', () => ({ 'Mesh-Context': 'größe' }), 'refused header_invalid'),
  head('an intent without end', () => ({ 'Mesh-Intent': 'x'.repeat(129) }), 'refused header_invalid'),
  head('deadline in words', () => ({ 'Mesh-Deadline': 'soon' }), 'refused deadline_invalid'),
  head('deadline negative', () => ({ 'Mesh-Deadline': '-5' }), 'refused deadline_invalid'),
  head('deadline 1e99', () => ({ 'Mesh-Deadline': '1e99' }), 'refused deadline_invalid'),
  head('deadline NaN', () => ({ 'Mesh-Deadline': 'NaN' }), 'refused deadline_invalid'),
  head(
    'deadline as ISO time',
    () => ({ 'Mesh-Deadline': '2026-01-01T00:00:00Z' }),
    'refused deadline_invalid',
  ),
  head(
    'deadline before the call was made',
    () => ({ 'Mesh-Deadline': String(now() - 60_000) }),
    'refused deadline_past',
  ),
  head('deadline zero', () => ({ 'Mesh-Deadline': '0' }), 'refused deadline_past'),
  head(
    'deadline in two days',
    () => ({ 'Mesh-Deadline': String(now() + 172_800_000) }),
    'refused deadline_too_far',
  ),
  head(
    'deadline beyond the life',
    () => ({ 'Mesh-Deadline': String(now() + 1_200_000) }),
    'refused deadline_too_far',
  ),
  head('deadline missing', () => ({}), 'completed'),
  head('a block of 20 KB', () => ({ 'Mesh-Context': 'x'.repeat(20_000) }), 'refused header_invalid'),
  head('a ticket of garbage', () => ({ 'Mesh-Ticket': 'xxx' }), 'refused ticket_invalid'),
  head('a ticket without a mac', () => ({ 'Mesh-Ticket': TICKET }), 'refused ticket_invalid'),
  head(
    'a ticket with a made-up mac',
    () => ({ 'Mesh-Ticket': `${TICKET}.${'0'.repeat(32)}` }),
    'refused ticket_invalid',
  ),
  head(
    'a ticket of an unknown key',
    () => ({ 'Mesh-Ticket': `${TICKET.replace('k1', 'k9')}.${'0'.repeat(32)}` }),
    'refused ticket_invalid',
  ),
  head('an empty ticket', () => ({ 'Mesh-Ticket': ' ' }), 'refused ticket_invalid'),
  id('missing', () => undefined, 'refused call_id_missing'),
  id('uppercase', () => newCallId().toUpperCase(), 'refused call_id_invalid'),
  id('a UUID', () => '6f1c2c1e-7f4b-4a43-9c1a-0d6c3f5b8a11', 'refused call_id_invalid'),
  id('too short', () => newCallId().slice(1), 'refused call_id_invalid'),
  id('letters outside of the alphabet', () => `${newCallId().slice(0, 25)}u`, 'refused call_id_invalid'),
  id('a wildcard', () => '*', 'refused call_id_invalid'),
  id('another wildcard', () => '>', 'refused call_id_invalid'),
  id('a subject', () => 'mesh.v1.task', 'refused call_id_invalid'),
  id('5 000 characters', () => 'a'.repeat(5_000), 'refused call_id_invalid'),
  id('born in an hour', () => newCallId(now() + 3_600_000), 'refused call_id_early'),
  id('born eleven minutes ago', () => newCallId(now() - 660_000), 'refused call_id_expired'),
  id('born in 1970', () => newCallId(1_000), 'refused call_id_expired'),
  capability('uppercase', 'Bad.Open', 'name_invalid'),
  capability('a wildcard', 'bad.*', 'name_invalid'),
  capability('a full wildcard', 'bad.>', 'name_invalid'),
  capability('nine tokens', 'a.b.c.d.e.f.g.h.i', 'name_invalid'),
  capability('a token of 65 characters', `bad.${'x'.repeat(65)}`, 'name_invalid'),
  capability('look-alike letters', 'bаd.open', 'name_invalid'),
  capability('a subject of the broker', '$JS.API', 'name_invalid'),
  capability('that nobody knows', 'bad.nothing', 'capability_unknown'),
  capability('that is not granted', 'secret.thing', 'not_granted'),
  capability('that is not granted and does not exist', 'secret.nothing', 'not_granted'),
  schema('a field is missing', { to: 'x' }, "required property 'amount'"),
  schema('a wrong type', { to: 'x', amount: 'many' }, '/amount'),
  schema('a field too much', { to: 'x', amount: 1, more: 1 }, 'more'),
  schema('further in', { to: 'x', amount: 1, deep: { x: 'y' } }, '/deep/x'),
  {
    ...schema(
      'twelve fields too much',
      { to: 'x', amount: 1, ...Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`x${i}`, 1])) },
      'x0',
    ),
    look: (error) => expect(error?.['details']).toMatchObject({ errors: { length: 10 } }),
  },
];
