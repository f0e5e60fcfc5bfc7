/**
 * The raw bytes of a message. The client parses headers into objects on demand; on the path of a call we read the
 * block ourselves. This is the only place that knows how the client (pinned version) lays a message out.
 */
import { createInbox, type Msg, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { HeaderBlock } from '../wire/headers.js';

interface Internals {
  readonly _msg: { readonly hdr: number };
  readonly _rdata: Uint8Array | undefined;
}

const NONE = new HeaderBlock(new Uint8Array(0));

/** The header block of a message, unparsed until asked. */
export function headersOf(msg: Msg): HeaderBlock {
  const m = msg as unknown as Internals;
  return m._msg.hdr > 0 && m._rdata !== undefined ? new HeaderBlock(m._rdata.subarray(0, m._msg.hdr)) : NONE;
}

/** Encoded header bytes in the form the client's publish takes: it only ever calls `encode()`. */
export function rawHeaders(bytes: Uint8Array): MsgHdrs {
  return { encode: () => bytes } as unknown as MsgHdrs;
}

/** A fresh subject below this user's own inbox prefix. */
export function freshInbox(nc: NatsConnection): string {
  const { options } = nc as unknown as { readonly options: { readonly inboxPrefix?: string } };
  return createInbox(options.inboxPrefix);
}
