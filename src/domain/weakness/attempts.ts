/**
 * What a user tries so that the server shows what it would let it do: everything of the table, and of the server's own
 * API, that its rights do not list. Made from the generated rights, so a new subject is tried without a word here.
 */
import { pattern } from '../../wire/generated/subjects.js';
import { matches } from '../../wire/names.js';
import type { Rights } from './facts.js';

/** One thing to try. */
export interface Attempt {
  readonly verb: 'publish' | 'subscribe';
  readonly subject: string;
  readonly queue?: string;
}

/** Nobody has this name: what is sent under it reaches nobody. */
const NOBODY = 'none';

/** Of the server's own. Nothing of this name exists, so that what is let through does no harm. */
const SERVER_PUBLISH = [
  '$JS.API.STREAM.INFO.DECISIONS',
  '$JS.API.STREAM.MSG.GET.KV_mesh_keys',
  '$JS.API.STREAM.DELETE.none',
  '$JS.API.CONSUMER.CREATE.none',
  '$JS.ACK.none.none.1.1.1.1.1',
  '$KV.none.none',
  '$KV.mesh_policy.none',
  '$SRV.PING',
  '$SYS.REQ.SERVER.PING',
  '$SYS.REQ.ACCOUNT.PING.CONNZ',
  '_INBOX.none.none',
  '_k.none.decision.none.none',
] as const;

const SERVER_SUBSCRIBE = [
  '>',
  '*.>',
  '$JS.>',
  '$KV.>',
  '$SYS.>',
  '$SRV.>',
  '_k.>',
  '_INBOX.>',
  'mesh.v1.>',
] as const;

/** Everything that somebody with these rights must be refused. */
export function attemptsOf(rights: Rights): Attempt[] {
  const patterns = Object.values(pattern);
  const publish = [...patterns.map(ofNobody), ...SERVER_PUBLISH];
  const subscribe = [...patterns, ...SERVER_SUBSCRIBE];
  const queued = rights.subscribe.flatMap((line) => {
    const [subject = '', queue] = line.split(' ');
    return queue === undefined ? [] : [{ verb: 'subscribe' as const, subject }]; // without its group
  });
  return [
    ...publish.filter((one) => !lists(rights.publish, one)).map((subject) => attempt('publish', subject)),
    ...subscribe
      .filter((one) => !lists(rights.subscribe, one))
      .map((subject) => attempt('subscribe', subject)),
    ...queued,
  ];
}

function attempt(verb: Attempt['verb'], subject: string): Attempt {
  return { verb, subject };
}

function ofNobody(one: string): string {
  return one.replaceAll(/[*>]/g, NOBODY);
}

function lists(allowed: readonly string[], subject: string): boolean {
  return allowed.some((line) => {
    const [own = '', queue] = line.split(' ');
    return queue === undefined && matches(own, subject);
  });
}
