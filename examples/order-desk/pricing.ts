/** Prices, with a discount for many. */
import type { Mesh } from 'capmesh';
import type { Order } from './goods.js';

const CENTS = new Map([
  ['lamp', 2_500],
  ['piano', 400_000],
]);

export async function servePricing(mesh: Mesh): Promise<void> {
  await mesh.serve('pricing.quote', { readOnly: true, idempotent: true }, ({ sku, count }: Order) => {
    const each = CENTS.get(sku);
    if (each === undefined) {
      throw new Error(`nobody knows what a ${sku} costs`);
    }
    return { totalCents: Math.round(each * count * (count >= 3 ? 0.9 : 1)) };
  });
}
