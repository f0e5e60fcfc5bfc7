/**
 * Introductions: a holder hands its grant to the mesh once, and from then on names it by its digest, so that not every
 * call drags all links along. What is kept is judged like what is presented, at the introduction and at every call.
 */
import type { Msg } from '../fabric/connection.js';
import { putIntroduced } from '../fabric/grants.js';
import { MeshError, meshError } from '../wire/errors.js';
import { parse, pattern } from '../wire/generated/subjects.js';
import { limits } from '../wire/limits.js';
import type { Core } from './core.js';
import { isOwnInbox, replyError } from './reply.js';

/** What is told of a grant that was introduced. */
interface Introduction {
  readonly digest: string;
  /** When it ends, in epoch ms. */
  readonly until: number;
}

/** Serve introductions. Returns how to stop. */
export function serveIntroductions(core: Core): () => void {
  const inAir = new Map<string, number>();
  const sub = core.nc.subscribe(pattern.introduce, {
    queue: 'gateway',
    callback: (err, msg) => {
      const from = err === null ? parse.introduce(msg.subject)?.from : undefined;
      if (from !== undefined && isOwnInbox(msg.reply, from)) {
        void take(core, inAir, from, msg, msg.reply);
      }
    },
  });
  return () => sub.unsubscribe();
}

async function take(
  core: Core,
  inAir: Map<string, number>,
  from: string,
  msg: Msg,
  reply: string,
): Promise<void> {
  try {
    const introduction = await introduce(core, inAir, from, textOf(msg));
    if (!core.nc.isClosed()) {
      core.nc.publish(reply, JSON.stringify(introduction));
    }
  } catch (err) {
    const why = 'it could not be made durable';
    const error = err instanceof MeshError ? err : meshError('unavailable', { waitedMs: 0, why }, err);
    replyError(core, reply, error);
  }
}

function textOf(msg: Msg): string {
  const have = msg.data.length;
  if (have > limits.grantBytes) {
    throw meshError('grant_too_large', { link: 0, dimension: 'length', have, max: limits.grantBytes });
  }
  return msg.string().trim();
}

/** Throws grant_* and grant_not_kept. */
async function introduce(
  core: Core,
  inAir: Map<string, number>,
  from: string,
  text: string,
): Promise<Introduction> {
  const { grants } = core;
  const { proof, last } = grants.open(text, from, Date.now());
  const introduction = { digest: proof.digest, until: last.exp * 1_000 };
  if (grants.introduced.get(proof.digest) !== undefined) {
    return introduction;
  }
  const waiting = inAir.get(from) ?? 0;
  const own = grants.introduced.heldBy(from) + waiting;
  if (own >= limits.grantsIntroducedEach || grants.introduced.size >= limits.grantsIntroduced) {
    const max = own >= limits.grantsIntroducedEach ? limits.grantsIntroducedEach : limits.grantsIntroduced;
    const whose = own >= limits.grantsIntroducedEach ? from : 'all members together';
    throw meshError('grant_not_kept', { whose, max });
  }
  inAir.set(from, waiting + 1);
  try {
    const kept = { holder: from, grant: text };
    // Longer than it can be used, so that whoever presents it too late is told that it is over.
    const lifeMs = introduction.until - Date.now() + limits.clockSkewMs;
    if (!(await putIntroduced(core.pub, proof.digest, kept, lifeMs))) {
      throw meshError('unavailable', { waitedMs: 0, why: 'it could not be made durable' });
    }
    grants.introduced.set(proof.digest, kept);
    return introduction;
  } finally {
    const left = (inAir.get(from) ?? 1) - 1;
    if (left === 0) {
      inAir.delete(from);
    } else {
      inAir.set(from, left);
    }
  }
}
