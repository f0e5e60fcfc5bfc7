/** Control, a gateway or an interceptor, as the product runs them. */
import { runControl } from '../../src/control/run.js';
import { runGateway } from '../../src/gateway/run.js';
import { runInterceptor } from '../../src/gateway/split/interceptor.js';
import type { Log } from '../../src/wire/log.js';
import { openLog } from '../../src/cli/sight-options.js';
import { servePage } from '../../src/sight/page.js';
import type { Part } from '../part.js';
import type { PartSettings } from '../protocol.js';

type Settings = Extract<PartSettings, { part: 'control' | 'gateway' | 'interceptor' }>;

const complain = (facts: object, message: string): void => {
  process.stderr.write(`${message} ${JSON.stringify(facts)}\n`);
};

/** Warnings are part of what a bench should show; the rest is silent. */
const log: Log = { debug: () => undefined, info: () => undefined, warn: complain, error: complain };

/** Start it. */
export async function start({ part, user, url, policy, dir, split, sight: mode }: Settings): Promise<Part> {
  const on = mode !== 'off';
  const options = {
    ...{ url, name: user.name, seed: user.seed, policyFile: policy, dir },
    log: on ? openLog('info', part).log : log,
    sight: { on, ratio: mode === 'full' ? 1 : 0.1 },
    split,
  };
  const page = on ? await servePage({ host: '127.0.0.1', port: 0 }) : undefined;
  const run = { control: runControl, gateway: runGateway, interceptor: runInterceptor };
  const service = await run[part](options);
  page?.show(service.sight);
  return {
    stop: async () => {
      await service.stop();
      await page?.close();
    },
  };
}
