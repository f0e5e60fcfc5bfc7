/**
 * Rules for a bench: so many in the policy, and so many of them that look at the call and are judged for it.
 */

/** How many rules, and how many of them apply to what is called. */
export interface RuleCount {
  readonly all: number;
  readonly apply: number;
}

/** The `rules:` part of a policy. What applies reads body, labels, time and caller as real rules do, and refuses none. */
export function rulesText({ all, apply }: RuleCount): string {
  const lines = Array.from({ length: all }, (_, i) => {
    const capability = i < apply ? 'order.price' : `other.c${i}`;
    const match = `match: { capability: [${capability}] }`;
    return `  - { name: rule-${i}, ${match}, effect: deny, when: '${CONDITIONS[i % CONDITIONS.length]?.(i) ?? ''}' }`;
  });
  return all === 0 ? '' : `rules:\n${lines.join('\n')}\n`;
}

const CONDITIONS: readonly ((i: number) => string)[] = [
  (i) => `args.discount > ${2 + i}.0`,
  (i) => `args.currency == "X${i}" && args.discount > 0.5`,
  (i) => `has(labels.tenant) && labels.tenant == "t${i}"`,
  (i) => `caller.name == "nobody-${i}" || "role-${i}" in caller.roles`,
  (i) => `cost > ${1_000_000 + i} && !agent.idempotent`,
];
