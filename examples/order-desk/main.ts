/**
 * The order desk: four agents, and a customer with four wishes. Prints what happened.
 */
import { join } from 'node:path';
import { connect, MeshError, type Mesh } from 'capmesh';
import { serveDesk } from './desk.js';
import { serveFulfilment } from './fulfilment.js';
import type { Answer } from './goods.js';
import { serveInventory } from './inventory.js';
import { servePricing } from './pricing.js';

const folder = process.env['MESH_DATA'] ?? '.mesh';
const as = (name: string): Promise<Mesh> => connect({ creds: join(folder, 'creds', `${name}.json`) });

const [stockroom, pricing, fulfilment, desk, me] = await Promise.all([
  as('stockroom'),
  as('pricing'),
  as('fulfilment'),
  as('desk'),
  as('me'),
]);
await Promise.all([
  serveInventory(stockroom),
  servePricing(pricing),
  serveFulfilment(fulfilment),
  serveDesk(desk),
]);
console.log('stockroom, pricing, fulfilment and the desk are there.\n');

const wishes = [
  { sku: 'lamp', count: 3, to: 'Ada' },
  { sku: 'piano', count: 2, to: 'Ben' },
  { sku: 'piano', count: 1, to: 'the moon' },
  { sku: 'lamp', count: 0, to: 'Cyd' },
];
for (const wish of wishes) {
  console.log(`Wanted: ${wish.count} × ${wish.sku}, to ${wish.to}.`);
  console.log(`  ${await me.call<Answer>('order.place', wish).then(tell, refused)}`);
}

const { inStock } = await me.call<{ inStock: number }>('inventory.count', { sku: 'piano' });
console.log(`\nThe piano that could not be shipped is back: ${inStock} in stock.`);
await Promise.all([me, desk, fulfilment, pricing, stockroom].map((mesh) => mesh.close()));

function tell({ placed, why, totalCents = 0, parcel }: Answer): string {
  return placed ? `Placed, for ${(totalCents / 100).toFixed(2)}: ${parcel}.` : `Not placed: ${why}.`;
}

/** The mesh said no before the desk saw it. */
function refused(err: unknown): string {
  if (!(err instanceof MeshError)) {
    throw err;
  }
  return `Refused by the mesh [${err.code}]: ${err.sentence}.`;
}
