/**
 * The keys of an issuer that comes and goes, with a clock of the test.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Tokens } from '../../src/control/identity/tokens.js';
import { IssuerKeys } from '../../src/control/identity/issuer-keys.js';
import { readIdentityRules, type Issuer } from '../../src/domain/identity.js';
import { jwtVerify } from 'jose';
import { MeshError } from '../../src/wire/errors.js';
import { limits } from '../../src/wire/limits.js';
import { until } from '../support/mesh.js';
import { AUDIENCE, goodClaims, startOidc, type Oidc } from '../support/oidc.js';

let oidc: Oidc;
let issuer: Issuer;
beforeAll(async () => {
  oidc = await startOidc(['shop']);
  const rules = readIdentityRules(
    JSON.stringify({
      version: 1,
      issuers: [
        { issuer: oidc.issuer, audience: AUDIENCE, algorithms: ['ES256'], name: 'sub', role: 'caller' },
      ],
    }),
    'test',
  );
  issuer = rules.issuers.get(oidc.issuer) as Issuer;
});
afterAll(() => oidc.stop());

function keysWithClock() {
  const clock = { ms: 1_000_000 };
  const troubles: string[] = [];
  const keys = new IssuerKeys(
    issuer,
    (_, why) => troubles.push(why),
    () => clock.ms,
  );
  const verify = (token: string): Promise<string> =>
    jwtVerify(token, keys.find).then(
      () => 'taken',
      (err: unknown) => (err instanceof MeshError ? err.code : String(err)),
    );
  /** Takes it with the next question, or one after that: on a busy machine the issuer can be late. */
  const takes = (token: string): Promise<true> =>
    until(async () => {
      clock.ms += limits.issuerBackoffMaxMs + 1;
      return (await verify(token)) === 'taken';
    });
  return { clock, troubles, verify, takes };
}
const sign = (header?: Record<string, unknown>) => oidc.sign(goodClaims(oidc.issuer, 'shop'), header);

it('known keys go on while the issuer is away, new ones wait for it', async () => {
  const { clock, troubles, verify, takes } = keysWithClock();
  const old = await sign();
  expect(await verify(old)).toBe('taken');
  await oidc.rotate();
  const fresh = await sign();
  oidc.away(true);
  clock.ms += 10_000;
  expect(await verify(fresh)).toBe('token_keys_away');
  expect(await verify(old)).toBe('taken');
  expect(troubles.length).toBeGreaterThan(0);
  clock.ms += limits.issuerFreshMs + 1;
  expect(await verify(old)).toBe('taken');
  oidc.away(false);
  await takes(fresh);
  expect(await verify(old)).toBe('taken');
});

it('an issuer that is away for a day is believed no longer', async () => {
  const { clock, verify, takes } = keysWithClock();
  const token = await sign();
  expect(await verify(token)).toBe('taken');
  oidc.away(true);
  clock.ms += limits.issuerStaleMs + 1;
  expect(await verify(token)).toBe('token_keys_away');
  oidc.away(false);
  await takes(token);
});

it('invented key names make it ask the issuer ever more seldom', async () => {
  const { clock, verify } = keysWithClock();
  const good = await sign();
  expect(await verify(good)).toBe('taken');
  const before = oidc.keysAsked;
  for (let i = 0; i < 600; i++) {
    clock.ms += 500;
    expect(await verify(await sign({ kid: `invented-${i}` }))).toBe('token_key_unknown');
  }
  // Five minutes: 1 + 2 + 4 … + 60 + 60 … seconds between two questions.
  expect(oidc.keysAsked - before).toBeGreaterThan(3);
  expect(oidc.keysAsked - before).toBeLessThan(15);
  expect(await verify(good)).toBe('taken');
});

it('an issuer that never answered is asked with back-off, and believed when it comes', async () => {
  const { clock, verify, takes } = keysWithClock();
  oidc.away(true);
  const token = await sign();
  const before = oidc.keysAsked;
  for (let i = 0; i < 100; i++) {
    clock.ms += 100;
    expect(await verify(token)).toBe('token_keys_away');
  }
  expect(oidc.keysAsked - before).toBeLessThan(6);
  oidc.away(false);
  await takes(token);
});

it('no changed token is taken', async () => {
  const tokens = new Tokens(
    { sessionMs: 1_000, issuers: new Map([[issuer.issuer, issuer]]), certificates: [] },
    () => undefined,
  );
  const token = await sign();
  expect((await tokens.verify(token, undefined)).name).toBe('shop');
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.';
  const seed = Math.floor(Math.random() * 2 ** 31);
  let state = seed;
  const random = (below: number): number => (state = (state * 1_103_515_245 + 12_345) & 0x7fffffff) % below;
  let taken = 0;
  for (let i = 0; i < 5_000; i++) {
    const at = random(token.length);
    const letter = letters[random(letters.length)] ?? '.';
    const bent = token.slice(0, at) + letter + token.slice(at + 1);
    // The last letter of a part carries bits that mean nothing; a token that decodes to the same bytes is the same.
    const same = (a: string, b: string): boolean =>
      a.split('.').length === b.split('.').length &&
      a
        .split('.')
        .every((part, j) =>
          Buffer.from(part, 'base64url').equals(Buffer.from(b.split('.')[j] ?? '', 'base64url')),
        );
    if (!same(bent, token)) {
      taken += Number(
        await tokens.verify(bent, undefined).then(
          () => true,
          () => false,
        ),
      );
    }
  }
  expect(taken, `seed ${seed}`).toBe(0);
});
