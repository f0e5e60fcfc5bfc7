/**
 * Trees of calls, as gateways count them together: each tells the others where a tree repeats itself, and nothing of
 * all the trees that do not.
 */
import { crc32 } from 'node:zlib';
import type { Msg } from '../fabric/connection.js';
import { headersOf, rawHeaders } from '../fabric/raw.js';
import type { TreeNews } from '../domain/care/trees.js';
import { compileOurs } from '../domain/validator.js';
import type { DecisionRecord } from '../wire/generated/messages.js';
import { schemas } from '../wire/generated/schemas.js';
import { parse, pattern, subject } from '../wire/generated/subjects.js';
import { encodeHeaders, header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Core } from './core.js';

const fits = compileOurs(schemas.tree);
const LENGTHS = 2 ** 20;

/** A child call has ended: with this body, or without a result. */
export function noteEnd({ trees }: Core, record: DecisionRecord, body?: Uint8Array, bodyRef?: string): void {
  if (record.parent !== undefined && record.review === undefined && record.verdict === 'allow') {
    const result = bodyRef === undefined ? body : Buffer.from(bodyRef);
    trees.ended(record.root, result === undefined ? undefined : markOf(record.capability, result));
  }
}

/** Stands for what a capability answered; two answers that share it would count as the same one. */
function markOf(capability: string, body: Uint8Array): number {
  return crc32(body, crc32(capability)) * LENGTHS + (body.length % LENGTHS);
}

/** Tell the others, and hear them. Returns how to stop. */
export function shareTrees(core: Core): () => void {
  const sub = core.nc.subscribe(pattern.tree, {
    callback: (err, msg) => (err === null ? hear(core, msg) : undefined),
  });
  const headers = rawHeaders(encodeHeaders([[header.instance, core.name]]));
  const timer = setInterval(() => {
    if (core.trees.hasNews && !core.nc.isClosed()) {
      core.nc.publish(subject.tree({ gateway: core.name }), JSON.stringify({ trees: core.trees.tell() }), {
        headers,
      });
    }
  }, limits.treeTellMs);
  return () => {
    clearInterval(timer);
    sub.unsubscribe();
  };
}

/** Bytes that the server wrote have no header. */
function hear(core: Core, msg: Msg): void {
  const gateway = parse.tree(msg.subject)?.gateway;
  if (
    gateway === undefined ||
    gateway === core.name ||
    headersOf(msg).get(header.instance) !== gateway ||
    msg.data.length > limits.bodyBytes
  ) {
    return;
  }
  const told = msg.json<{ trees: TreeNews[] }>();
  if (fits(told) === undefined) {
    told.trees.forEach((news) => core.trees.heard(gateway, news));
  }
}
