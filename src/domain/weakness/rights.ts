/**
 * Checks of rights: everybody may do what is generated for it, and nothing else.
 */
import type { Facts, OwnRights, Rights } from './facts.js';
import type { Said } from './finding.js';

const RENDER = 'restart mesh up, or run mesh up --prepare and reload the server: users.conf is written again';
const SHOWN = 3;

/** What the server says that a user may do is what was generated. */
export function rights({ rights: seen }: Facts): Said[] {
  return (seen ?? []).map((one) => ({ what: `rights of ${one.user}`, fix: RENDER, ...judge(one) }));
}

function judge({ found, want }: OwnRights): Pick<Said, 'state' | 'found'> {
  if (found === undefined) {
    return { state: 'refuse', found: 'the server does not say which they are' };
  }
  const more = differing(found, want);
  const less = differing(want, found);
  if (more.length + less.length === 0) {
    return { state: 'fine', found: 'as generated' };
  }
  const said = [...more.map((one) => `may ${one}`), ...less.map((one) => `may not ${one}`)];
  return { state: 'refuse', found: short(said) };
}

/**
 * What `a` allows and `b` does not list. An empty list allows everything: that is how the server reads it. Of queue
 * groups it says nothing.
 */
function differing(a: Rights, b: Rights): string[] {
  return (['publish', 'subscribe'] as const).flatMap((verb) => {
    const listed = new Set(subjectsOf(b[verb]));
    return subjectsOf(a[verb]).flatMap((subject) => (listed.has(subject) ? [] : [`${verb} ${subject}`]));
  });
}

function subjectsOf(list: readonly string[]): string[] {
  return list.length === 0 ? ['>'] : list.map((line) => line.split(' ')[0] ?? '');
}

/** What users tried and must not be able to do. */
export function forbidden({ tried }: Facts): Said[] {
  return (tried ?? []).map(({ user, attempts, done }) => ({
    what: `${user} tries what it must not`,
    state: done.length === 0 ? 'fine' : 'refuse',
    found: done.length === 0 ? `${attempts} attempts, all refused` : `may ${short(done)}`,
    fix: RENDER,
  }));
}

/** The file that the server includes is the one that follows from the users. */
export function rendered({ rendered: seen }: Facts): Said[] {
  return seen === undefined
    ? []
    : [
        {
          state: seen.same ? 'fine' : 'refuse',
          found: seen.same ? `${seen.users} users as generated` : 'users.conf differs from users.json',
          fix: RENDER,
        },
      ];
}

function short(list: readonly string[]): string {
  const more = list.length > SHOWN ? ` and ${list.length - SHOWN} more` : '';
  return `${list.slice(0, SHOWN).join(', ')}${more}`;
}
