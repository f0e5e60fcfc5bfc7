/** Ships parcels; the carrier does not go everywhere, and then this agent fails. */
import type { Mesh } from 'capmesh';
import type { Order } from './goods.js';

export async function serveFulfilment(mesh: Mesh): Promise<void> {
  let parcels = 0;
  // Not idempotent: sending a parcel twice does harm, so the mesh gives the call out at most once.
  await mesh.serve('fulfilment.ship', ({ sku, count, to }: Order) => {
    if (to === 'the moon') {
      throw new Error('the carrier does not go to the moon');
    }
    parcels += 1;
    return { parcel: `parcel ${parcels}: ${count} × ${sku} to ${to}` };
  });
}
