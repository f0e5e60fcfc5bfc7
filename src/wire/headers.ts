/**
 * NATS headers as raw bytes. Building and reading the few headers we use costs a fraction of a header object,
 * and a message's header block is read only where one is needed.
 */
const PREFIX = 'NATS/1.0\r\n';
const UNSAFE = /[\r\n]/;
const utf8 = new TextDecoder('utf-8');

/** The headers of wire v1 (docs/reference/messages.md says what each carries). */
export const header = {
  call: 'Mesh-Call',
  deadline: 'Mesh-Deadline',
  ticket: 'Mesh-Ticket',
  major: 'Mesh-Major',
  child: 'Mesh-Child',
  context: 'Mesh-Context',
  labels: 'Mesh-Labels',
  intent: 'Mesh-Intent',
  bodyRef: 'Mesh-Body-Ref',
  contentType: 'Content-Type',
  status: 'Mesh-Status',
  usage: 'Mesh-Usage',
  record: 'Mesh-Record',
  outcome: 'Mesh-Outcome',
  key: 'Mesh-Key',
  instance: 'Mesh-Instance',
  msgId: 'Nats-Msg-Id',
  ttl: 'Nats-TTL',
  stream: 'Nats-Stream',
  sequence: 'Nats-Sequence',
  serviceError: 'Nats-Service-Error',
  serviceErrorCode: 'Nats-Service-Error-Code',
} as const;

/** Header lines; `undefined` values are left out. */
export type HeaderLines = readonly (readonly [name: string, value: string | number | undefined])[];

/** Encode a header block. A value with CR or LF is a programming error: callers check what they pass on. */
export function encodeHeaders(lines: HeaderLines): Uint8Array {
  let text = PREFIX;
  for (const [name, value] of lines) {
    if (value !== undefined) {
      if (typeof value === 'string' && UNSAFE.test(value)) {
        throw new RangeError(`line break in header ${name}`);
      }
      text += `${name}: ${value}\r\n`;
    }
  }
  return Buffer.from(`${text}\r\n`, 'utf8');
}

/** The header block of one message, decoded to text once; names are matched exactly, the first one wins. */
export class HeaderBlock {
  readonly #text: string;

  constructor(bytes: Uint8Array) {
    this.#text = bytes.length === 0 ? '' : utf8.decode(bytes);
  }

  /** The value of the header, trimmed, or undefined. */
  get(name: string): string | undefined {
    const at = this.#text.indexOf(`\r\n${name}:`);
    if (at < 0) {
      return undefined;
    }
    const start = at + name.length + 3;
    return this.#text.slice(start, this.#text.indexOf('\r\n', start)).trim();
  }

  /** Length of the block in characters. */
  get length(): number {
    return this.#text.length;
  }

  /** True when there is no header at all: the mark of bytes that the server wrote. */
  get empty(): boolean {
    return this.#text.length === 0;
  }

  /** The status of a message the server made itself (404, 408, 409, 503 …), or 0. */
  get statusCode(): number {
    return this.#text.startsWith('NATS/1.0 ') ? Number.parseInt(this.#text.slice(9, 12), 10) : 0;
  }

  /** The text behind the status. */
  get statusText(): string {
    return this.#text.slice(13, this.#text.indexOf('\r\n')).trim();
  }
}
