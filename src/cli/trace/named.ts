/**
 * How commands name a call: `call`, or `from.call`.
 */
import type { View } from '../../wire/generated/messages.js';
import { asToken } from '../../wire/names.js';

/** The view that finds the call. Throws name_invalid. */
export function named(name: string): View {
  const dot = name.indexOf('.');
  const call = asToken(name.slice(dot + 1), 'the call');
  return dot < 0 ? { call } : { call, from: asToken(name.slice(0, dot), 'who called') };
}
