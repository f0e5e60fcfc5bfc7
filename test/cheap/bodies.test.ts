import { describe, expect, test } from 'vitest';
import { openBodyRef, parseBodyRef, sealBodyRef, type BodyRef } from '../../src/domain/body-ref.js';
import { progressLine } from '../../src/cli/progress.js';
import { Shares, Slots } from '../../src/gateway/bodies/slots.js';
import { MeshError } from '../../src/wire/errors.js';
import type { KeyRing } from '../../src/wire/keyring.js';
import type { Token } from '../../src/wire/names.js';

const ring: KeyRing = { current: 'k1', keys: new Map([['k1', Buffer.alloc(32, 1)]]), epoch: '7' };
const ref: BodyRef = {
  owner: 'alice' as Token,
  body: 'b1' as Token,
  bytes: 5,
  digest: 'd'.repeat(43),
  type: 'bytes',
  until: 1_000,
  reader: 'bob' as Token,
};
const codeOf = (work: () => unknown): string => {
  try {
    work();
    return 'taken';
  } catch (err) {
    return err instanceof MeshError ? err.code : String(err);
  }
};

describe('a sealed reference', () => {
  const text = sealBodyRef(ring, 'read', ref);

  test('says what was sealed, and the same facts give the same text', () => {
    expect(openBodyRef(ring, 'read', text)).toEqual(ref);
    expect(parseBodyRef(text)).toEqual(ref);
    expect(sealBodyRef(ring, 'read', ref)).toBe(text);
  });

  test('is good for one use, one mesh and one key', () => {
    expect(codeOf(() => openBodyRef(ring, 'upload', text))).toBe('body_ref_invalid');
    expect(codeOf(() => openBodyRef({ ...ring, epoch: '8' }, 'read', text))).toBe('body_ref_invalid');
    const other = { ...ring, keys: new Map([['k1', Buffer.alloc(32, 2)]]) };
    expect(codeOf(() => openBodyRef(other, 'read', text))).toBe('body_ref_invalid');
    expect(codeOf(() => openBodyRef({ ...ring, keys: new Map() }, 'read', text))).toBe('body_ref_invalid');
  });

  test('cannot be changed in any of its parts', () => {
    const parts = text.split('.');
    for (let i = 0; i < parts.length; i++) {
      const forged = parts.map((part, j) =>
        i === j ? (part === '1' ? '2' : '1'.repeat(part.length)) : part,
      );
      expect(codeOf(() => openBodyRef(ring, 'read', forged.join('.')))).toBe('body_ref_invalid');
    }
    for (let cut = 0; cut < text.length; cut++) {
      expect(codeOf(() => openBodyRef(ring, 'read', text.slice(0, cut)))).toBe('body_ref_invalid');
    }
  });
});

describe('bounded work', () => {
  test('runs a few at once, lets some wait, refuses the rest, and goes on after a failure', async () => {
    const slots = new Slots(2, 2);
    const ends: (() => void)[] = [];
    let most = 0;
    let now = 0;
    const work = async () => {
      most = Math.max(most, ++now);
      await new Promise<void>((resolve) => ends.push(resolve));
      now--;
      throw new Error('broken');
    };
    const all = Array.from({ length: 5 }, () => slots.run(work).catch((err: unknown) => err));
    expect(((await all[4]) as MeshError).code).toBe('overloaded');
    for (let i = 0; i < 4; i++) {
      while (ends[i] === undefined) {
        await Promise.resolve();
      }
      ends[i]?.();
    }
    expect((await Promise.all(all.slice(0, 4))).map(String)).toEqual(Array(4).fill('Error: broken'));
    expect(most).toBe(2);
    expect(await slots.run(() => Promise.resolve('again'))).toBe('again');
  });

  test('nobody takes the share of another', async () => {
    const shares = new Shares(1, 2);
    let end: () => void = () => undefined;
    const held = shares.run('a', () => new Promise<void>((resolve) => (end = resolve)));
    const no = await shares
      .run('a', () => Promise.resolve())
      .catch((err: unknown) => (err as MeshError).code);
    expect(no).toBe('overloaded');
    expect(await shares.run('b', () => Promise.resolve('yes'))).toBe('yes');
    end();
    await held;
    expect(await shares.run('a', () => Promise.resolve('yes'))).toBe('yes');
  });
});

test('a progress line is never wider than the terminal, and has a bar when there is room', () => {
  for (const columns of [10, 20, 40, 80, 200]) {
    for (const total of [undefined, 0, 1, 1_000_000]) {
      expect(progressLine(500, 3, total, 1_000, columns).length).toBeLessThan(columns);
    }
  }
  expect(progressLine(50, 0, 100, 1_000, 80)).toBe(`${'█'.repeat(15)}${'░'.repeat(15)}  50/100  50/s`);
  expect(progressLine(50, 2, undefined, 1_000, 40)).toBe('50  2 not completed  50/s');
});
