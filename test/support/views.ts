/**
 * Asking control for views and finds, as the wire has it.
 */
import type { MeshError } from '../../src/agent/index.js';
import type { NatsConnection } from '../../src/fabric/connection.js';
import type { ErrorBody } from '../../src/wire/generated/messages.js';

/** A page, or an error. */
export type Answer<T> = T & Partial<ErrorBody>;

/** Ask on `mesh.v1.{to}`. */
export async function ask<T>(nc: NatsConnection, to: string, body: object | string): Promise<Answer<T>> {
  const payload = typeof body === 'string' ? body : JSON.stringify(body);
  return (await nc.request(`mesh.v1.${to}`, payload, { timeout: 25_000 })).json<Answer<T>>();
}

/** The code of the error, or `completed`. */
export function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'completed',
    (err: MeshError) => err.code,
  );
}

/** The work of a handler that does not end. */
export function never(): Promise<never> {
  return new Promise(() => undefined);
}
