/**
 * A process of the bench: starts the part it is told to play, and ends with the channel to its parent.
 */
import { sampleSelf } from './cpu.js';
import { completedCalls, runWindow } from './load.js';
import type { Part } from './part.js';
import type { Order, PartSettings, Report } from './protocol.js';

type Start = (settings: never) => Promise<Part>;

const parts: Readonly<Record<PartSettings['part'], () => Promise<{ start: Start }>>> = {
  control: () => import('./parts/service.js'),
  gateway: () => import('./parts/service.js'),
  interceptor: () => import('./parts/service.js'),
  agents: () => import('./parts/agents.js'),
  caller: () => import('./parts/caller.js'),
  collector: () => import('./parts/collector.js'),
  'floor-worker': () => import('./parts/floor-worker.js'),
  'floor-caller': () => import('./parts/floor-caller.js'),
};

let running: Part | undefined;

function tell(report: Report): void {
  process.send?.(report);
}

async function obey(order: Order): Promise<void> {
  switch (order.do) {
    case 'start': {
      const { start } = await parts[order.settings.part]();
      running = await start(order.settings as never);
      return tell({ said: 'ready', ...(running.url === undefined ? {} : { url: running.url }) });
    }
    case 'sample':
      return tell({ said: 'sample', sample: sampleSelf(), completed: completedCalls() });
    case 'run': {
      const begin = running?.begin;
      if (begin === undefined) {
        throw new Error('this part makes no calls');
      }
      await runWindow(
        begin,
        order.window,
        () => tell({ said: 'open' }),
        (seen) => tell({ said: 'closed', seen }),
      );
      return tell({ said: 'drained' });
    }
    case 'stop':
      await running?.stop();
      return process.exit();
  }
}

process.on('message', (order: Order) => {
  obey(order).catch((err: unknown) => {
    tell({ said: 'error', text: err instanceof Error ? (err.stack ?? err.message) : String(err) });
  });
});
process.once('disconnect', () => process.exit());
process.on('SIGINT', () => undefined); // the parent stops us in its order
