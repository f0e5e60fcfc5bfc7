/**
 * What was worked out once, within a bound: a full memory is emptied, which costs one round of working it out again.
 */
import { limits } from '../../wire/limits.js';

/** The remembered value, or the one that is made now. */
export function memo<V>(memory: Map<string, V>, key: string, make: () => V): V {
  let value = memory.get(key);
  if (value === undefined && !memory.has(key)) {
    if (memory.size >= limits.budgetMemo) {
      memory.clear();
    }
    value = make();
    memory.set(key, value);
  }
  return value as V;
}
