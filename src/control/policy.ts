/**
 * The policy of the mesh: control follows its file and writes what changed into the bucket that gateways watch, and so
 * does an operator's push. Only what compiles is written.
 */
import { readText, watchText } from '../fabric/file.js';
import type { NatsConnection } from '../fabric/connection.js';
import { putPolicy, readStoredPolicy, watchPolicy, type StoredPolicy } from '../fabric/policy-store.js';
import { Newest } from '../domain/newest.js';
import { compilePolicy, type Policy } from '../domain/policy.js';
import { meshError } from '../wire/errors.js';
import type { Token } from '../wire/names.js';
import type { Control } from './core.js';

const PLACE = 'the policy of the mesh';
const RETRY_MS = 1_000;

/**
 * The policy to begin with. The file replaces what stands in the bucket only if it is another one than control
 * followed then: a policy that was pushed outlives a restart. Throws config_missing, config_invalid.
 */
export async function firstPolicy(nc: NatsConnection, file: string): Promise<Policy> {
  const text = readText(file);
  const policy = compilePolicy(text, file);
  const stored = await readStoredPolicy(nc);
  if (stored !== undefined && stored.followed === policy.digest) {
    return compilePolicy(stored.text, PLACE);
  }
  await putPolicy(nc, storedOf(text, policy.digest, policy.digest));
  return policy;
}

/** Follow file and bucket. Returns how to stop. */
export async function followPolicy(control: Control, file: string): Promise<() => void> {
  const newest = new Newest<string>((text) => replace(control, text), {
    now: () => performance.now(),
    after: (ms, run) => setTimeout(run, ms).unref(),
  });
  const stopWatch = await watchPolicy(control.nc, ({ text, digest }) => {
    if (digest !== control.policy.digest) {
      newest.offer(text);
    }
  });
  const writer = new Writer(control);
  const watched = watchText(file, (text) => {
    try {
      const policy = compilePolicy(text, file);
      control.policy = policy; // whoever asks control at once is not told the old one
      writer.write(storedOf(text, policy.digest, policy.digest));
    } catch (err) {
      control.log.error({ err: String(err) }, 'the new policy is refused, the old one stays');
    }
  });
  control.lookAtPolicy = watched.look;
  return () => {
    watched.stop();
    stopWatch();
    writer.stop();
  };
}

/** An operator's policy. It is in force with a gateway a moment after this. Throws config_invalid. */
export async function pushPolicy(control: Control, text: string, by: Token): Promise<object> {
  const { digest, rules } = compilePolicy(text, 'the pushed policy');
  const before = await readStoredPolicy(control.nc);
  await putPolicy(control.nc, storedOf(text, digest, before?.followed ?? digest, by));
  return {
    digest,
    rules: rules?.list.length ?? 0,
    ...(before === undefined ? {} : { before: before.digest }),
  };
}

/** The policy in force, as it was written. Throws config_missing. */
export async function livePolicy(control: Control): Promise<StoredPolicy> {
  const stored = await readStoredPolicy(control.nc);
  if (stored === undefined) {
    throw meshError('config_missing', { what: PLACE });
  }
  return stored;
}

function storedOf(text: string, digest: string, followed: string, by?: Token): StoredPolicy {
  return { v: 1, text, digest, followed, at: Date.now(), ...(by === undefined ? {} : { by }) };
}

function replace(control: Control, text: string): void {
  try {
    control.policy = compilePolicy(text, PLACE);
  } catch (err) {
    control.log.error({ err: String(err) }, 'the new policy is refused, the old one stays');
  }
}

/** Writes what the file says, and tries again while the bucket is out of reach. */
class Writer {
  readonly #control: Control;
  #next: StoredPolicy | undefined;
  #busy = false;
  #stopped = false;

  constructor(control: Control) {
    this.#control = control;
  }

  write(policy: StoredPolicy): void {
    this.#next = policy;
    if (!this.#busy) {
      this.#busy = true;
      void this.#run().finally(() => (this.#busy = false));
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  async #run(): Promise<void> {
    while (this.#next !== undefined && !this.#stopped) {
      const policy = this.#next;
      try {
        await putPolicy(this.#control.nc, policy);
        this.#next = this.#next === policy ? undefined : this.#next;
      } catch (err) {
        this.#control.log.warn({ err: String(err) }, 'the policy could not be written; it is tried again');
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
      }
    }
  }
}
