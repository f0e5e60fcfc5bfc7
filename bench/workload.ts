/**
 * What is called: one capability with a ten-field schema, and a body of about 0.9 KB that fits it.
 */
import type { CapabilityOptions, Handler } from '../src/agent/index.js';

/** The capability that every agent of the bench serves. */
export const CAPABILITY = 'order.price';

/** Life L of a call. Short, so that the register of outcomes stays bounded at bench rates. */
export const LIFE_MS = 60_000;

const text = (maxLength: number) => ({ type: 'string', minLength: 1, maxLength });

const input = {
  type: 'object',
  additionalProperties: false,
  required: ['order', 'customer', 'currency', 'priority', 'express', 'discount', 'address', 'items', 'note'],
  properties: {
    order: { type: 'string', pattern: '^ORD-[0-9]{8}$' },
    customer: { type: 'string', pattern: '^[a-z][a-z0-9_-]{2,31}$' },
    currency: { enum: ['EUR', 'USD', 'GBP', 'JPY'] },
    priority: { type: 'integer', minimum: 1, maximum: 9 },
    express: { type: 'boolean' },
    discount: { type: 'number', minimum: 0, maximum: 0.5 },
    address: {
      type: 'object',
      additionalProperties: false,
      required: ['street', 'city', 'zip'],
      properties: { street: text(80), city: text(40), zip: { type: 'string', pattern: '^[0-9]{5}$' } },
    },
    items: {
      type: 'array',
      minItems: 1,
      maxItems: 50,
      items: {
        type: 'object',
        required: ['sku', 'count', 'cents'],
        properties: {
          sku: text(20),
          count: { type: 'integer', minimum: 1, maximum: 999 },
          cents: { type: 'integer', minimum: 0 },
        },
      },
    },
    tags: { type: 'array', maxItems: 16, items: text(24) },
    note: { type: 'string', maxLength: 2000 },
  },
};

const output = {
  type: 'object',
  required: ['order', 'totalCents', 'accepted'],
  properties: {
    order: { type: 'string', maxLength: 16 },
    totalCents: { type: 'integer', minimum: 0 },
    accepted: { type: 'boolean' },
    currency: { enum: ['EUR', 'USD', 'GBP', 'JPY'] },
  },
};

/** What each agent says of the capability. */
export const capability: CapabilityOptions = { version: '1.0', input, output, lifeMs: LIFE_MS };

interface Order {
  readonly order: string;
  readonly currency: string;
  readonly discount: number;
  readonly items: readonly { readonly count: number; readonly cents: number }[];
}

/** The work: as little as a handler can do with its input. */
export const handler: Handler = (body: Order) => {
  let totalCents = 0;
  for (const { count, cents } of body.items) {
    totalCents += count * cents;
  }
  return {
    order: body.order,
    totalCents: Math.round(totalCents * (1 - body.discount)),
    accepted: true,
    currency: body.currency,
  };
};

const NOTE = 'Ring twice; leave the parcel with the neighbour when nobody opens. '.repeat(7);

/** The body of the n-th call: no two in flight are alike. */
export function bodyOf(n: number): object {
  return {
    order: `ORD-${String(n % 100_000_000).padStart(8, '0')}`,
    customer: 'ada-lovelace_1815',
    currency: 'EUR',
    priority: 1 + (n % 9),
    express: n % 2 === 0,
    discount: 0.05,
    address: { street: '12 Saint James Square', city: 'London', zip: '10115' },
    items: [
      { sku: 'engine-analytical', count: 1, cents: 1_299_00 },
      { sku: 'card-jacquard', count: 240, cents: 12 },
      { sku: 'gear-brass-64', count: 12, cents: 845 },
      { sku: 'crank-left', count: 2, cents: 1_999 },
    ],
    tags: ['machine', 'brass', 'fragile'],
    note: NOTE,
  };
}
