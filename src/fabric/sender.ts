/**
 * Sending: one buffer and one native write for the protocol line and the headers of a message. The client's own
 * publish encodes line, headers and end apart and checks the subject by pattern; every call pays that six times. Order
 * is kept with what the client itself sends: both go through its queue.
 */
import type { NatsConnection } from '@nats-io/transport-node';

/** A header block as text (`headerText`) or as bytes. */
export type Headers = string | Uint8Array;

interface Internals {
  readonly protocol: {
    readonly info?: { readonly max_payload: number };
    outMsgs: number;
    outBytes: number;
    sendCommand(bytes: Uint8Array): void;
  };
}

const SLAB_BYTES = 65_536;
/** Larger messages get a buffer of their own, so that little of a slab is wasted. */
const LARGE_BYTES = 8_192;
let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
let used = 0;

/**
 * Publish. `subject` and `reply` come from the typed builders: they are not checked again.
 * Throws when the connection is closed or draining, and when the message is larger than the server takes.
 */
export function send(
  nc: NatsConnection,
  subject: string,
  body: Uint8Array,
  headers: Headers = '',
  reply = '',
): void {
  if (nc.isClosed() || nc.isDraining()) {
    throw new Error('the connection is closed');
  }
  const { protocol } = nc as unknown as Internals;
  const headerBytes = Buffer.byteLength(headers);
  const bytes = headerBytes + body.length;
  if (protocol.info !== undefined && bytes > protocol.info.max_payload) {
    throw new RangeError(`${bytes} bytes are more than the server takes`);
  }
  protocol.outMsgs++;
  protocol.outBytes += bytes;
  protocol.sendCommand(assemble(lineOf(subject, reply, headerBytes, bytes), headers, headerBytes, body));
}

function lineOf(subject: string, reply: string, headerBytes: number, bytes: number): string {
  const to = reply === '' ? subject : `${subject} ${reply}`;
  return headerBytes === 0 ? `PUB ${to} ${bytes}\r\n` : `HPUB ${to} ${headerBytes} ${bytes}\r\n`;
}

function assemble(line: string, headers: Headers, headerBytes: number, body: Uint8Array): Uint8Array {
  const out = room(line.length + headerBytes + body.length + 2);
  let at = line.length + headerBytes;
  if (typeof headers === 'string') {
    // ASCII, the common case, is copied without being looked at a second time.
    out.write(line + headers, 0, headerBytes === headers.length ? 'latin1' : 'utf8');
  } else {
    out.write(line, 0, 'latin1');
    out.set(headers, line.length);
  }
  out.set(body, at);
  at += body.length;
  out[at] = 0x0d;
  out[at + 1] = 0x0a;
  return out;
}

/** Bytes that nobody else writes to: a slab is never used twice. */
function room(bytes: number): Buffer {
  if (bytes > LARGE_BYTES) {
    return Buffer.allocUnsafeSlow(bytes);
  }
  if (used + bytes > SLAB_BYTES) {
    slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    used = 0;
  }
  const out = slab.subarray(used, used + bytes);
  used += bytes;
  return out;
}
