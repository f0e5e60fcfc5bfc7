/**
 * The desk: one order is a tree of calls. When the last of them fails, what the first did is taken back.
 */
import { MeshError, type Mesh, type TaskContext } from 'capmesh';
import { orderSchema, type Answer, type Order, type Reservation } from './goods.js';

export async function serveDesk(mesh: Mesh): Promise<void> {
  await mesh.serve('order.place', { input: orderSchema }, place);
}

async function place(order: Order, ctx: TaskContext): Promise<Answer> {
  const [reservation, { totalCents }] = await Promise.all([
    ctx.call<Reservation | null>('inventory.reserve', order),
    ctx.call<{ totalCents: number }>('pricing.quote', order),
  ]);
  if (reservation === null) {
    return { placed: false, why: `not enough of ${order.sku} in stock` };
  }
  try {
    const { parcel } = await ctx.call<{ parcel: string }>('fulfilment.ship', order);
    return { placed: true, totalCents, parcel };
  } catch (err) {
    return await cope(err, reservation, ctx);
  }
}

/** `failed` and `refused` say that nothing was shipped. `unknown` says that it may have been: then a person must look. */
async function cope(err: unknown, { id }: Reservation, ctx: TaskContext): Promise<Answer> {
  if (!(err instanceof MeshError) || err.status === 'unknown') {
    throw err;
  }
  await ctx.call('inventory.release', { id });
  return { placed: false, why: err.sentence };
}
