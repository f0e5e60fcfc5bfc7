/** What the agents of the order desk say to each other. */

export interface Order {
  readonly sku: string;
  readonly count: number;
  /** Where it goes. */
  readonly to: string;
}

export interface Reservation {
  readonly id: string;
  readonly sku: string;
  readonly count: number;
}

/** What the customer is told. */
export interface Answer {
  readonly placed: boolean;
  readonly why?: string;
  readonly totalCents?: number;
  readonly parcel?: string;
}

/** JSON Schema of an order: the mesh refuses what does not fit before the desk sees it. */
export const orderSchema = {
  type: 'object',
  properties: {
    sku: { type: 'string', minLength: 1 },
    count: { type: 'integer', minimum: 1, maximum: 100 },
    to: { type: 'string', minLength: 1 },
  },
  required: ['sku', 'count', 'to'],
  additionalProperties: false,
};
