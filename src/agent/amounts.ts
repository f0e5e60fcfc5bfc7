/**
 * Amounts as the header `Mesh-Budget` writes them, for doors whose clients state a budget in their own headers.
 */
export { readAmounts } from '../domain/budget/written.js';
