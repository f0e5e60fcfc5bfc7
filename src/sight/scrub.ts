/**
 * What never stands in a log: bodies, tickets, seeds, secrets. Facts are scrubbed on their way to the log, by their
 * names and by what they look like.
 */

/** Instead of what was there. */
export const GONE = '[redacted]';

const NAMES =
  /^(body|payload|value|ticket|mesh-ticket|seed|secret|ingress|password|pass|token|authorization|creds|credentials|key|keys|mac)$/i;
/** An nkey seed; a secret ingress; user and password in a url; a ticket; the mac of a result subject. */
const LOOKS: readonly (readonly [RegExp, string])[] = [
  [/\bS[ACNOUX][A-Z2-7]{40,}\b/g, GONE],
  [/\b_k\.[0-9a-f]{16,}/g, `_k.${GONE}`],
  [/\/\/[^/@\s]+@/g, '//'],
  [/\{"kid":.*?\}\.[0-9a-f]{32}/g, GONE],
  [/(mesh\.v1\.(?:result|progress)(?:\.[\w-]+){3})\.[0-9a-f]{32}/g, `$1.${GONE}`],
  [/(mesh\.v1\.task\.[\w-]+)\.[0-9a-f]{32}/g, `$1.${GONE}`],
];
const DEPTH_MAX = 5;
const TEXT_MAX = 2_000;

/** A text without what looks like a secret, cut to a bearable length. */
export function scrubText(text: string): string {
  const short = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
  return LOOKS.reduce((clean, [look, instead]) => clean.replace(look, instead), short);
}

/** Facts without secrets. Bytes are never shown. */
export function scrub(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') {
    return scrubText(value);
  }
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  if (ArrayBuffer.isView(value) || depth >= DEPTH_MAX) {
    return GONE;
  }
  if (value instanceof Error) {
    const { name, message, stack } = value;
    return scrub({ type: name, message, stack, ...('code' in value ? { code: value.code } : {}) }, depth + 1);
  }
  if (Array.isArray(value)) {
    return value.map((one) => scrub(one, depth + 1));
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, NAMES.test(name) ? GONE : scrub(one, depth + 1)]),
  );
}
