/**
 * What a grant means, told slowly and by other means than the mesh: every capability, value and amount of a small world
 * is tried, and a link narrows another one when it allows nothing there that the other does not. Shares no code with
 * `src/domain/grants`.
 */
import { createHash } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, importJWK, jwtVerify } from 'jose';

interface Words {
  readonly [word: string]: unknown;
  readonly can: string[];
  readonly actions: string[];
  readonly cnf: { kid: string };
}

/** Every name of one to five tokens over these: `q` is one that no pattern names. */
const TOKENS = ['a', 'b', 'q'];
const NAMES: string[] = [];
for (let length = 1, all = TOKENS; length <= 5; length++) {
  NAMES.push(...all);
  all = all.flatMap((name) => TOKENS.map((token) => `${name}.${token}`));
}
/** Values at a place: all that constraints of the generator speak of, and what lies between and around. */
const VALUES: unknown[] = [
  undefined,
  null,
  true,
  false,
  '',
  'a',
  'ab',
  'abc',
  'abcd',
  'abz',
  'az',
  'b',
  'bz',
  'q',
];
for (let n = -1; n <= 7; n += 0.5) {
  VALUES.push(n);
}
const PLACES = ['/x', '/y/0'];
const AMOUNTS = [0, 1, 2, 3, 4, 5, 6, 1e9];

/** The links of a grant that the model believes, or the number of the first that it does not. */
export async function modelVerdict(
  text: string,
  issuers: Readonly<Record<string, string>>,
): Promise<'good' | number> {
  const tokens = text.split('~');
  let before: Words | undefined;
  for (const [i, token] of tokens.entries()) {
    const words = decodeJwt(token) as unknown as Words;
    const { kid } = decodeProtectedHeader(token);
    const signer = before === undefined ? issuers[String(words['iss'])] : before.cnf.kid;
    const last = tokens[i - 1];
    const hash = last === undefined ? undefined : createHash('sha256').update(last).digest('base64url');
    if (kid !== signer || words['prf'] !== hash || !(await isSignedBy(token, String(signer)))) {
      return i + 1;
    }
    if (before !== undefined && !within(words, before)) {
      return i + 1;
    }
    before = words;
  }
  return 'good';
}

async function isSignedBy(token: string, nkey: string): Promise<boolean> {
  const key = await importJWK({ kty: 'OKP', crv: 'Ed25519', x: rawOf(nkey) }, 'EdDSA');
  return await jwtVerify(token, key, { algorithms: ['EdDSA'] }).then(
    () => true,
    () => false,
  );
}

/** The 32 bytes of an nkey, by plain arithmetic. */
function rawOf(nkey: string): string {
  let value = 0n;
  for (const letter of nkey) {
    value = value * 32n + BigInt('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter));
  }
  return Buffer.from(value.toString(16).padStart(70, '0').slice(2, 66), 'hex').toString('base64url');
}

function within(inner: Words, outer: Words): boolean {
  return (
    inner['sub'] === outer['sub'] &&
    NAMES.every((name) => !permitsName(inner, name) || permitsName(outer, name)) &&
    ['read', 'write', 'execute'].every((a) => !inner.actions.includes(a) || outer.actions.includes(a)) &&
    PLACES.every((at) => VALUES.every((v) => !permitsValue(inner, at, v) || permitsValue(outer, at, v))) &&
    labelsWithin(inner, outer) &&
    ['usd', 'tokens'].every((unit) =>
      AMOUNTS.every((n) => !permitsAmount(inner, unit, n) || permitsAmount(outer, unit, n)),
    ) &&
    number(inner['deadline'], Infinity) <= number(outer['deadline'], Infinity) &&
    number(inner['exp'], Infinity) <= number(outer['exp'], Infinity) &&
    number(inner['nbf'], -Infinity) >= number(outer['nbf'], -Infinity) &&
    number(inner['depth'], 0) <= number(outer['depth'], 0) - 1 &&
    (inner['root'] === false || outer['root'] === true)
  );
}

function permitsName({ can }: Words, name: string): boolean {
  return can.some((pattern) => regexpOf(pattern).test(name));
}

const regexps = new Map<string, RegExp>();

function regexpOf(pattern: string): RegExp {
  let regexp = regexps.get(pattern);
  if (regexp === undefined) {
    const source = pattern.split('.').map((t) => (t === '*' ? '[^.]+' : t === '>' ? '.+' : t));
    regexp = new RegExp(`^${source.join('\\.')}$`);
    regexps.set(pattern, regexp);
  }
  return regexp;
}

function permitsValue({ args }: Words, at: string, value: unknown): boolean {
  const list = (args ?? []) as Record<string, unknown>[];
  return list
    .filter((one) => one['at'] === at)
    .every((one) => {
      if ('equals' in one) {
        return one['equals'] === value;
      }
      if ('oneOf' in one) {
        return (one['oneOf'] as unknown[]).some((v) => v === value);
      }
      if ('prefix' in one) {
        return typeof value === 'string' && value.slice(0, String(one['prefix']).length) === one['prefix'];
      }
      const [min, max] = [number(one['min'], -Infinity), number(one['max'], Infinity)];
      return typeof value === 'number' && !(value < min) && !(value > max);
    });
}

function labelsWithin(inner: Words, outer: Words): boolean {
  const permits = (words: Words, key: string, value: string | undefined) => {
    const list = (words['labels'] as Record<string, string[]> | undefined)?.[key];
    return list === undefined || (value !== undefined && list.includes(value));
  };
  return ['team', 'area'].every((key) =>
    [undefined, 'a', 'b', 'c'].every((v) => !permits(inner, key, v) || permits(outer, key, v)),
  );
}

function permitsAmount({ budget }: Words, unit: string, amount: number): boolean {
  return amount <= number((budget as Record<string, number> | undefined)?.[unit], Infinity);
}

function number(value: unknown, missing: number): number {
  return typeof value === 'number' ? value : missing;
}
