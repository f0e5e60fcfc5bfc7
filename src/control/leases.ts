/**
 * Leases in the registry bucket: for people and programs that look into KV. Gateways and control judge who is alive by
 * the beats they hear themselves, so a lease is written seldom, and taken away as soon as control knows better. Should
 * no control be there to do so, the server lets it lapse.
 */
import type { Instance } from '../domain/roster.js';
import { encodeHeaders } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Token } from '../wire/names.js';
import type { Control } from './core.js';

const RENEW = encodeHeaders([['Nats-TTL', limits.leaseKvMs / 1000]]);
const END = encodeHeaders([
  ['KV-Operation', 'PURGE'],
  ['Nats-Rollup', 'sub'],
  ['Nats-TTL', 1],
]);
const EMPTY = new Uint8Array(0);

/** Writes leases. Only the leader of the controls may. */
export class Leases {
  readonly #control: Control;
  readonly #written = new WeakMap<Instance, { readonly atMs: number; readonly draining: boolean }>();

  constructor(control: Control) {
    this.#control = control;
  }

  /** The instance gave a sign of life: write its lease when it is new, old, or of another state. */
  renew(instance: Instance, beat: Uint8Array, nowMs: number): void {
    const last = this.#written.get(instance);
    if (
      last === undefined ||
      nowMs - last.atMs > limits.leaseRenewMs ||
      last.draining !== instance.draining
    ) {
      this.#written.set(instance, { atMs: nowMs, draining: instance.draining });
      this.#write(instance.agent, instance.id, beat, RENEW);
    }
  }

  /** The instance is gone. */
  end(agent: Token, instance: Token): void {
    this.#write(agent, instance, EMPTY, END);
  }

  #write(agent: Token, instance: Token, body: Uint8Array, headers: Uint8Array): void {
    const key = `$KV.mesh_registry.lease.${agent}.${instance}`;
    this.#control.pub.publish(key, body, headers, () => undefined);
  }
}
