/**
 * The interface of OpenTelemetry, loaded when there is somebody to tell.
 */
import type * as Otel from '@opentelemetry/api';
import { later } from '../wire/later.js';

/** `@opentelemetry/api`: the same one that programs import. */
export const otel = later<typeof Otel>('@opentelemetry/api');

const REGISTERED = Symbol.for('opentelemetry.js.api.1');

/** Has this program registered anything with OpenTelemetry? Without it there is no SDK, and no span that runs. */
export function isOtelUsed(): boolean {
  return REGISTERED in globalThis;
}
