/**
 * Checks of what is stored: streams and buckets, the policy, keys, enrolment tokens.
 */
import { compileData } from '../policy.js';
import { atOnce } from '../slices.js';
import { MeshError } from '../../wire/errors.js';
import { limits } from '../../wire/limits.js';
import type { Facts, StoredFacts, StreamFacts } from './facts.js';
import type { Said } from './finding.js';

/** Settings that say how much, not what can happen. */
const SIZES: ReadonlySet<string> = new Set([
  'description',
  'max_bytes',
  'max_msg_size',
  'max_ack_pending',
  'max_waiting',
]);

const AGAIN =
  'restart control: it brings back what the table says. What the server does not take back is gone with the stream: empty the mesh, delete the stream, restart control';

/** Streams, the consumer and buckets have the flags of the table. */
export function streams({ streams: seen }: Facts): Said[] {
  if (seen === undefined) {
    return [];
  }
  const bad = seen.filter(({ missing, settings }) => missing || settings.length > 0);
  return bad.length === 0
    ? [{ state: 'fine', found: `${seen.length} as the table says` }]
    : bad.map((one) => ({
        what: one.name,
        state: isWeak(one) ? 'refuse' : 'warn',
        found: one.missing ? 'missing' : `${one.found}; the table says ${one.want}`,
        fix: AGAIN,
      }));
}

function isWeak({ missing, settings }: StreamFacts): boolean {
  return missing || settings.some((setting) => !SIZES.has(setting));
}

/** There is a policy, it compiles, and it does not let everybody do everything. */
export function policy({ policy: stored }: Facts): Said[] {
  if (stored === undefined) {
    return [];
  }
  if (stored === null) {
    return [{ state: 'refuse', found: 'none', fix: 'start mesh control with a policy, or mesh policy push' }];
  }
  try {
    return [breadth(stored)];
  } catch (err) {
    const found = err instanceof MeshError ? err.sentence : String(err);
    return [{ state: 'refuse', found, fix: 'mend the file, and check it with mesh policy check' }];
  }
}

function breadth({ data, digest }: StoredFacts): Said {
  const compiled = atOnce(compileData(data, digest));
  const wide = [...compiled.members()].filter((name) => {
    const { call, serve } = compiled.rightsOf(name);
    return [...call, ...serve].includes('>');
  });
  return wide.length === 0
    ? { state: 'fine', found: `${compiled.digest}, nobody may everything` }
    : {
        state: 'warn',
        found: `> for ${wide.slice(0, 3).join(', ')}${wide.length > 3 ? ` and ${wide.length - 3} more` : ''}`,
        fix: 'name the capabilities that each role needs (docs/howto/least-privilege.md)',
      };
}

/** Keys and credentials are closed to others. */
export function files({ open }: Facts): Said[] {
  return open === undefined
    ? []
    : [
        {
          state: open.length === 0 ? 'fine' : 'refuse',
          found: open.length === 0 ? 'closed to others' : `open to others: ${open.slice(0, 3).join(', ')}`,
          fix: `chmod go= ${open.slice(0, 3).join(' ')}`,
        },
      ];
}

/** More than one process says who connects. */
export function identity({ identity: seen }: Facts): Said[] {
  return seen === undefined
    ? []
    : [
        {
          state: seen.answering >= 2 ? 'fine' : seen.answering === 1 ? 'warn' : 'mend',
          found: `${seen.answering}`,
          fix: 'start another mesh identity: while none answers, nobody new gets in',
        },
      ];
}

/** Every enrolment token ends. */
export function invitations({ invitations: seen }: Facts): Said[] {
  if (seen === undefined) {
    return [];
  }
  const { nowMs, open } = seen;
  const late = open.filter(({ untilMs }) => untilMs === undefined || untilMs > nowMs + limits.enrolMaxMs);
  return [
    {
      state: late.length === 0 ? 'fine' : 'refuse',
      found:
        late.length === 0
          ? `${open.length} open, all of them end`
          : `no end within a week: for ${late.map(({ name }) => name).join(', ')}`,
      fix: `take it back: nats kv del mesh_identity ${late[0]?.key ?? ''}`,
    },
  ];
}
