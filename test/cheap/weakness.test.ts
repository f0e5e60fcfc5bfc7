/**
 * The list of checks: what each says of what was seen. Each weakness stands beside the same without it.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { acceptable } from '../../src/domain/weakness/acceptable.js';
import { attemptsOf } from '../../src/domain/weakness/attempts.js';
import type { Facts } from '../../src/domain/weakness/facts.js';
import { checks, judge } from '../../src/domain/weakness/list.js';
import { isAtLeast } from '../../src/domain/weakness/version.js';
import { isLoopback } from '../../src/fabric/own-server.js';
import { permissions, permissionsOf, type Role } from '../../src/wire/generated/permissions.js';
import { SESSION_ROLES } from '../../src/wire/session-role.js';
import type { Token } from '../../src/wire/names.js';

const want = { publish: ['a.b'], subscribe: ['c.> mesh'] };
const stream = { name: 'CALLS', missing: false, settings: [], found: '', want: '' };
const monitored = {
  listensTo: '127.0.0.1:8222',
  loopback: true,
  authTimeoutS: 2,
  maxControlLine: 4_096,
  syncAlways: true,
  listeners: [],
  plain: [],
};
const may = (call: string) => ({ roles: { buyer: { call: [call] } }, members: { me: ['buyer'] } });
const narrow = { digest: 'd', data: may('pay.out') };
const wide = { digest: 'd', data: may('>') };
const unclear = { name: 'odd', effect: 'deny', reason: 'r', when: 'nobody.knows(' } as const;
const broken = { digest: 'd', data: { ...narrow.data, rules: [unclear] } };
const nowMs = 1_800_000_000_000;
const loop = { version: '2.14.5', loopback: true, tls: false };

/** A weakness, what is said of it, and the same without it. */
const rows: [check: string, weak: Facts, says: string, good: Facts][] = [
  ['server-version', { server: { ...loop, version: '2.14.0' } }, 'refuse', { server: loop }],
  ['server-version', { server: { ...loop, version: '2.14.4' } }, 'refuse', { server: loop }],
  [
    'server-version',
    { server: { ...loop, version: '2.14.0' }, dev: true },
    'warn',
    { server: loop, dev: true },
  ],
  ['server-version', { server: { ...loop, version: '2.13.9' }, dev: true }, 'refuse', { server: loop }],
  ['server-binary', { binary: '2.12.1' }, 'refuse', { binary: '2.15.0' }],
  [
    'strangers',
    { strangers: [{ shows: 'nothing', let: true }] },
    'refuse',
    { strangers: [{ shows: 'nothing', let: false }] },
  ],
  [
    'tls',
    { server: { ...loop, loopback: false } },
    'refuse',
    { server: { ...loop, loopback: false, tls: true } },
  ],
  [
    'rights',
    { rights: [{ user: 'g', found: { ...want, publish: ['a.b', '>'] }, want }] },
    'refuse',
    { rights: [{ user: 'g', found: want, want }] },
  ],
  [
    'rights',
    { rights: [{ user: 'g', found: { ...want, publish: [] }, want }] },
    'refuse',
    { rights: [{ user: 'g', found: want, want }] },
  ],
  [
    'rights',
    { rights: [{ user: 'g', found: { ...want, subscribe: ['c.x'] }, want }] },
    'refuse',
    { rights: [{ user: 'g', found: want, want }] },
  ],
  [
    'rights',
    { rights: [{ user: 'g', found: undefined, want }] },
    'refuse',
    { rights: [{ user: 'g', found: want, want }] },
  ],
  [
    'forbidden',
    { tried: [{ user: 'me', attempts: 2, done: ['publish x'] }] },
    'refuse',
    { tried: [{ user: 'me', attempts: 2, done: [] }] },
  ],
  ['rendered', { rendered: { users: 3, same: false } }, 'refuse', { rendered: { users: 3, same: true } }],
  ['streams', { streams: [{ ...stream, missing: true }] }, 'refuse', { streams: [stream] }],
  ['streams', { streams: [{ ...stream, settings: ['allow_rollup_hdrs'] }] }, 'refuse', { streams: [stream] }],
  ['streams', { streams: [{ ...stream, settings: ['max_bytes'] }] }, 'warn', { streams: [stream] }],
  ['policy', { policy: null }, 'refuse', { policy: narrow }],
  ['policy', { policy: broken }, 'refuse', { policy: narrow }],
  ['policy', { policy: wide }, 'warn', { policy: narrow }],
  ['files', { open: ['creds/me.json'] }, 'refuse', { open: [] }],
  ['identity', { identity: { answering: 0 } }, 'mend', { identity: { answering: 2 } }],
  ['identity', { identity: { answering: 1 } }, 'warn', { identity: { answering: 3 } }],
  [
    'enrolment',
    { invitations: { nowMs, open: [{ key: 'enrol.x', name: 'x', untilMs: undefined }] } },
    'refuse',
    { invitations: { nowMs, open: [{ key: 'enrol.x', name: 'x', untilMs: nowMs + 1_000 }] } },
  ],
  [
    'enrolment',
    { invitations: { nowMs, open: [{ key: 'enrol.x', name: 'x', untilMs: nowMs + 8 * 86_400_000 }] } },
    'refuse',
    { invitations: { nowMs, open: [] } },
  ],
  ['flush', { sync: 'default' }, 'warn', { sync: 'always' }],
  ['flush', { sync: 'unknown' }, 'warn', { sync: 'unknown', monitored }],
  ['flush', { monitored: { ...monitored, syncAlways: false } }, 'warn', { monitored }],
  ['doors', { monitored: { ...monitored, loopback: false } }, 'warn', { monitored }],
  ['doors', { monitored: { ...monitored, authTimeoutS: 60 } }, 'warn', { monitored }],
  ['doors', { monitored: { ...monitored, maxControlLine: 1_048_576 } }, 'warn', { monitored }],
  ['doors', { monitored: { ...monitored, listeners: ['mqtt'] } }, 'warn', { monitored }],
  ['doors', { monitored: { ...monitored, plain: ['cluster'] } }, 'warn', { monitored }],
];

const statesOf = (check: string, facts: Facts, accept: readonly string[] = []): string[] =>
  judge(facts, accept).flatMap(({ id, state }) => (id === check && state !== 'fine' ? [state] : []));

test.each(rows)('%s: %j is %s', (check, weak, says, good) => {
  expect(statesOf(check, weak)).toEqual([says]);
  expect(statesOf(check, good)).toEqual([]);
  expect(judge(good).some(({ id }) => id === check)).toBe(true); // it was looked at
  const [finding] = judge(weak).filter(({ id, state }) => id === check && state !== 'fine');
  expect([finding?.found, finding?.want, finding?.fix].every((text) => (text ?? '') !== '')).toBe(true);
  const accepted = statesOf(check, weak, [check]);
  expect(accepted).toEqual(
    says === 'refuse' && (acceptable as readonly string[]).includes(check) ? ['warn'] : [says],
  );
});

test('every check has a row, an id of its own, and says nothing of what was not seen', () => {
  expect(new Set(rows.map(([check]) => check))).toEqual(new Set(checks.map(({ id }) => id)));
  expect(new Set(checks.map(({ id }) => id)).size).toBe(checks.length);
  expect(judge({})).toEqual([]);
  expect(acceptable.filter((id) => !checks.some((check) => check.id === id))).toEqual([]);
});

test('the operations page lists every check', () => {
  const page = readFileSync('docs/operations.md', 'utf8');
  const listed = [...page.matchAll(/^\| `([\w-]+)` +\| .*\| +(?:yes|own)? +\| +(?:yes|all) +\|$/gm)].map(
    ([, id]) => id,
  );
  expect(new Set(listed)).toEqual(new Set(checks.map(({ id }) => id)));
});

test.each([
  ['2.14.5', '2.14.5', true],
  ['v2.14.5', '2.14.5', true],
  ['2.14.10', '2.14.5', true],
  ['3.0.0', '2.14.5', true],
  ['2.15.0-RC.1', '2.14.5', true],
  ['2.14.5-RC.1', '2.14.5', false],
  ['2.14.4', '2.14.5', false],
  ['2.9.99', '2.14.5', false],
  ['2.14', '2.14.5', false],
  ['', '2.14.5', false],
  ['2.14.5 ', '2.14.5', false],
])('version %j, wanted %s: %s', (version, wanted, good) => {
  expect(isAtLeast(version, wanted)).toBe(good);
});

test.each([
  ['nats://127.0.0.1:4222', true],
  ['127.0.0.1:4222', true],
  ['tls://localhost:4222', true],
  ['nats://[::1]:4222', true],
  ['nats://me:secret@127.0.0.1:4222', true],
  ['nats://10.0.0.1:4222', false],
  ['nats://127.0.0.1.example:4222', false],
  ['nats://127.0.0.1@10.0.0.1:4222', false],
  ['nats://localhost.example', false],
  ['', false],
])('%s is on this machine: %s', (url, local) => {
  expect(isLoopback(url)).toBe(local);
});

describe('what users try', () => {
  test.each(SESSION_ROLES)('%s: nothing that it may, everything that another may', (role) => {
    const own = permissionsOf(role, 'shop' as Token);
    const attempts = attemptsOf(own);
    const publish = attempts.filter(({ verb }) => verb === 'publish').map(({ subject }) => subject);
    expect(publish.filter((subject) => own.publish.includes(subject))).toEqual([]);
    const others = (Object.keys(permissions) as Role[]).flatMap(
      (other) => permissionsOf(other, 'none' as Token).publish,
    );
    const words = new Set(others.flatMap((subject) => /^mesh\.v1\.(\w+)/.exec(subject)?.[1] ?? []));
    expect([...words].filter((word) => !publish.some((one) => one.startsWith(`mesh.v1.${word}`)))).toEqual(
      [],
    );
    expect(attempts).toContainEqual({ verb: 'subscribe', subject: '>' });
  });

  test('an agent also tries its own tasks without the queue group', () => {
    const attempts = attemptsOf(permissionsOf('agent', 'shop' as Token));
    expect(attempts).toContainEqual({ verb: 'subscribe', subject: 'mesh.v1.task.shop.>' });
  });
});
