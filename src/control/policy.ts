/**
 * The policy of the mesh: control follows its file and those of its owners, and writes what changed into the bucket that gateways watch, and so
 * does an operator's push. Only what compiles is written.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '../fabric/connection.js';
import { eventLoop } from '../fabric/event-loop.js';
import { readPolicyTexts, watchPolicyTexts, type PolicyTexts } from '../fabric/policy-files.js';
import {
  putPolicy,
  putShadow,
  readShadow,
  readStoredPolicy,
  watchPolicy,
  type StoredPolicy,
} from '../fabric/policy-store.js';
import { Newest } from '../domain/newest.js';
import { ownerFiles } from '../domain/owners/read.js';
import type { PolicyData } from '../domain/policy-data.js';
import { readPolicy, type ReadPolicy } from '../domain/policy-read.js';
import { compileData, policyFrom, type Policy } from '../domain/policy.js';
import { inSlices } from '../domain/slices.js';
import { meshError } from '../wire/errors.js';
import { limits } from '../wire/limits.js';
import type { Token } from '../wire/names.js';
import type { Control } from './core.js';

const PLACE = 'the policy of the mesh';
const RETRY_MS = 1_000;

type Stored = StoredPolicy<PolicyData>;

/**
 * The policy to begin with. The file replaces what stands in the bucket only if it is another one than control
 * followed then: a policy that was pushed outlives a restart. Throws config_missing, config_invalid.
 */
export async function firstPolicy(nc: NatsConnection, file: string): Promise<Policy> {
  const { text, files } = readPolicyTexts(file, ownerFiles);
  const read = readPolicy(text, file, files);
  policyFrom(read);
  const stored = await readStoredPolicy<PolicyData>(nc);
  const stays = stored?.followed === read.digest ? stored : undefined;
  if (stays?.v === 2) {
    return await compileStored(stays);
  }
  const inForce = stays === undefined ? read : readPolicy(stays.text, PLACE);
  const policy = policyFrom(inForce);
  await putPolicy(nc, {
    ...storedOf(inForce, read.digest),
    ...(stays === undefined ? {} : { by: stays.by }),
  });
  return policy;
}

/** Follow file and bucket. Returns how to stop. */
export async function followPolicy(control: Control, file: string): Promise<() => void> {
  const newest = new Newest<Stored>((stored) => replace(control, stored), eventLoop);
  const stopWatch = await watchPolicy<PolicyData>(control.nc, (stored) => newest.offer(stored));
  const writer = new Writer(control);
  const watched = watchPolicyTexts(file, ownerFiles, ({ text, files }) => {
    try {
      const read = readPolicy(text, file, files);
      control.policy = policyFrom(read); // whoever asks control at once is not told the old one
      writer.write(storedOf(read, read.digest));
    } catch (err) {
      refused(control, err);
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
export async function pushPolicy(control: Control, texts: PolicyTexts, by: Token): Promise<object> {
  const { stored, rules } = checkPushed(texts);
  const before = await readStoredPolicy(control.nc);
  await putPolicy(control.nc, { ...stored, followed: before?.followed ?? stored.digest, by });
  await clearShadow(control.nc, stored.digest);
  return { digest: stored.digest, rules, ...(before === undefined ? {} : { before: before.digest }) };
}

/** A policy that an operator pushed, as it is stored. Throws config_invalid. */
export function checkPushed({ text, files }: PolicyTexts): {
  readonly stored: Stored;
  readonly rules: number;
} {
  const read = readPolicy(text, 'the pushed policy', files);
  policyFrom(read);
  return { stored: storedOf(read, read.digest), rules: read.rules.length };
}

/** A candidate that is in force now has nothing left to tell. */
async function clearShadow(nc: NatsConnection, digest: string): Promise<void> {
  if ((await readShadow(nc))?.digest === digest) {
    await putShadow(nc, undefined);
  }
}

/** The policy in force, as it is stored. Throws config_missing. */
export async function livePolicy(control: Control): Promise<Stored> {
  const stored = await readStoredPolicy<PolicyData>(control.nc);
  if (stored?.v !== 2) {
    throw meshError('config_missing', { what: PLACE });
  }
  return stored;
}

/** Throws config_invalid when it is larger than one message may be. */
function storedOf({ data, digest }: ReadPolicy, followed: string): Stored {
  const stored = {
    v: 2,
    data,
    digest,
    followed,
    at: Date.now(),
  } as const;
  const bytes = Buffer.byteLength(JSON.stringify(stored));
  if (bytes > limits.policyStoredBytes) {
    const why = `it takes ${bytes} bytes where it is stored, allowed are ${limits.policyStoredBytes}`;
    throw meshError('config_invalid', { file: PLACE, where: 'its size', why });
  }
  return stored;
}

function compileStored({ data, digest }: Stored, before?: Policy): Promise<Policy> {
  return inSlices(compileData(data, digest, before), eventLoop);
}

async function replace(control: Control, stored: Stored): Promise<void> {
  if (stored.digest === control.policy.digest) {
    return;
  }
  try {
    control.policy = await compileStored(stored, control.policy);
  } catch (err) {
    refused(control, err);
  }
}

function refused(control: Control, err: unknown): void {
  control.log.error({ err: String(err) }, 'the new policy is refused, the old one stays');
}

/** Writes what the file says, and tries again while the bucket is out of reach. */
class Writer {
  readonly #control: Control;
  #next: Stored | undefined;
  #busy = false;
  #stopped = false;

  constructor(control: Control) {
    this.#control = control;
  }

  write(policy: Stored): void {
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
        await sleep(RETRY_MS, undefined, { ref: false });
      }
    }
  }
}
