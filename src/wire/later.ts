/**
 * Packages that not every process needs: loaded when they are first used, so that a command which never does starts
 * without them. For packages of CommonJS only, which also code that cannot wait may load.
 */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** What `make` gives, made when it is first asked for and kept. What it throws is thrown each time. */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** The package of this name, when it is first asked for; its type is the caller's word. */
export function later<T>(name: string): () => T {
  return once(() => require(name) as T);
}
