/**
 * Rules that ask: another agent is asked about a call before it is dispatched, or before its outcome is final. Its
 * answer can only say no; that it says yes lets nothing through that another rule refuses.
 */
import { limits } from '../../wire/limits.js';
import type { Ask } from '../reviews.js';
import type { AskSource, Rule, RuleSource } from './types.js';

/** When the answer is waited for. */
export type Before = NonNullable<AskSource['before']>;

/** What of a call a reviewer may be told, beside names and digests. */
export const sendable = ['args', 'labels', 'intent', 'chain', 'output'] as const;

/** Why a rule cannot ask like this, and where it says so; undefined: it can, or it does not ask. */
export function askTrouble({
  effect,
  ask,
  match,
}: RuleSource): readonly [where: string, why: string] | undefined {
  if (effect !== 'ask') {
    return ask === undefined ? undefined : ['.ask', 'only a rule that asks has ask'];
  }
  const { capability, before, send = [] } = ask ?? {};
  if (capability === undefined || before === undefined) {
    return ['', 'a rule that asks says whom and when: ask: { capability: …, before: dispatch | outcome }'];
  }
  if (match?.capability?.includes(capability) === true) {
    return ['.ask.capability', `it would ask ${capability} about ${capability} itself`];
  }
  const early = before === 'dispatch' && send.includes('output');
  return early ? ['.ask.send', 'there is no output before dispatch'] : undefined;
}

/** What a compiled rule asks for. */
export function askOf({ name, reason, ask = {} }: Rule): Ask {
  const { capability = '', before, timeout = limits.askMs } = ask;
  const all = sendable.filter((one) => one !== 'output' || before === 'outcome');
  return {
    rule: name,
    ...(reason === undefined ? {} : { reason }),
    capability,
    timeoutMs: timeout,
    send: [...(ask.send ?? all)],
  };
}

/** Does the rule ask about this capability? A review is not reviewed by itself. */
export function looksAt({ ask }: Rule, capability: string): boolean {
  return ask?.capability !== capability;
}
