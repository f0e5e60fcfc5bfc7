/** The stockroom: counts, reserves, takes back. */
import type { Mesh } from 'capmesh';
import type { Order, Reservation } from './goods.js';

export async function serveInventory(mesh: Mesh): Promise<void> {
  const stock = new Map([
    ['lamp', 5],
    ['piano', 1],
  ]);
  const held = new Map<string, Reservation>();

  const count = ({ sku }: { sku: string }) => ({ sku, inStock: stock.get(sku) ?? 0 });

  // Idempotent: `ctx.key` is the same in every attempt, so a repeat finds the reservation of the first.
  const reserve = ({ sku, count: wanted }: Order, ctx: { key: string }): Reservation | null => {
    const inStock = stock.get(sku) ?? 0;
    const before = held.get(ctx.key);
    if (before !== undefined || inStock < wanted) {
      return before ?? null;
    }
    const reservation = { id: ctx.key, sku, count: wanted };
    stock.set(sku, inStock - wanted);
    held.set(ctx.key, reservation);
    return reservation;
  };

  const release = ({ id }: { id: string }) => {
    const reservation = held.get(id);
    if (reservation !== undefined) {
      held.delete(id);
      stock.set(reservation.sku, (stock.get(reservation.sku) ?? 0) + reservation.count);
    }
    return { released: reservation !== undefined };
  };

  await mesh.serveAll([
    { name: 'inventory.count', options: { readOnly: true, idempotent: true }, handler: count },
    { name: 'inventory.reserve', options: { idempotent: true }, handler: reserve },
    { name: 'inventory.release', options: { idempotent: true }, handler: release },
  ]);
}
