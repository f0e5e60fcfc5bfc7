/**
 * Looking up calls that are older than the duplicate window: has anybody decided this call before? Asked of every
 * live gateway and of control, which knows who must answer and whether lapsed gateways are still being scanned.
 */
import { freshInbox, rawHeaders } from '../fabric/raw.js';
import { subject } from '../wire/generated/subjects.js';
import type { OpenQuery, OpenReply } from '../wire/generated/messages.js';
import { encodeHeaders, header } from '../wire/headers.js';
import type { Core } from './core.js';

const WAIT_MS = 1_000;

/** `unsure` when somebody did not answer in time: nothing may be decided then. */
export interface Lookup {
  readonly open: boolean;
  /** It is open as refused. */
  readonly refused: boolean;
  readonly parked: boolean;
  readonly sure: boolean;
}

/** Ask everybody whether the call is open. */
export function lookUp(core: Core, query: OpenQuery): Promise<Lookup> {
  const inbox = freshInbox(core.nc);
  return new Promise((resolve) => {
    const answered = new Set<string>();
    let expected: Set<string> | undefined;
    let parked = false;
    const sub = core.nc.subscribe(inbox, {
      callback: (err, msg) => (err === null ? take(msg.data) : undefined),
    });
    const end = (open: boolean, sure: boolean, refused = false) => {
      clearTimeout(timer);
      sub.unsubscribe();
      resolve({ open, refused, parked, sure });
    };
    const timer = setTimeout(() => end(false, false), WAIT_MS);
    const take = (data: Uint8Array) => {
      const reply = data.length === 0 ? undefined : (JSON.parse(Buffer.from(data).toString()) as OpenReply);
      if (reply === undefined) {
        return;
      }
      answered.add(reply.who);
      parked ||= reply.parked === true;
      if (reply.gateways !== undefined && reply.settled === true) {
        expected = new Set(reply.gateways);
      }
      if (reply.open) {
        end(true, true, reply.refused === true);
      } else if (expected !== undefined && [...expected].every((g) => answered.has(g))) {
        end(false, true);
      }
    };
    const headers = rawHeaders(encodeHeaders([[header.instance, core.name]]));
    core.nc.publish(subject.open(), JSON.stringify(query), { reply: inbox, headers });
  });
}
