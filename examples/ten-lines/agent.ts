import { connect } from 'capmesh';

const stock = new Map([['a-1', 12]]);
const mesh = await connect();

await mesh.serve('inventory.query', { idempotent: true }, ({ sku }: { sku: string }) => {
  return { sku, inStock: stock.get(sku) ?? 0 };
});
console.log(`${mesh.name} serves inventory.query`);
