/**
 * What waits in a gateway, counted by capability and priority: told with every beat, so that people see where it backs
 * up.
 */
import type { Peer } from '../wire/generated/messages.js';
import { limits } from '../wire/limits.js';
import type { Priority } from '../wire/priority.js';

/** One call that waits. */
export interface Wait {
  readonly capability: string;
  readonly priority: Priority;
  readonly waitedMs: number;
}

type Queue = NonNullable<Peer['queues']>[number];

/** The longest queues; nothing when no call waits. `turns`: before the chain; `held`: after it has looked at them. */
export function queuesOf(turns: Iterable<Wait>, held: Iterable<Wait>): Pick<Peer, 'queues'> {
  const queues = new Map<string, Queue>();
  count(queues, turns, 'turns');
  count(queues, held, 'held');
  if (queues.size === 0) {
    return {};
  }
  const longest = [...queues.values()].sort((a, b) => b.turns + b.held - (a.turns + a.held));
  return { queues: longest.slice(0, limits.peerQueues) };
}

function count(queues: Map<string, Queue>, waits: Iterable<Wait>, where: 'turns' | 'held'): void {
  for (const { capability, priority, waitedMs } of waits) {
    const key = `${priority} ${capability}`;
    const queue = queues.get(key) ?? { capability, priority, turns: 0, held: 0, oldestMs: 0 };
    queues.set(key, queue);
    queue[where]++;
    queue.oldestMs = Math.max(queue.oldestMs, Math.floor(waitedMs));
  }
}
