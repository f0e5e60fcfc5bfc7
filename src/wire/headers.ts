/**
 * NATS headers as raw bytes. Building and reading the few headers we use costs a fraction of a header object,
 * and a message's header block is read only where one is needed.
 */
const PREFIX = 'NATS/1.0\r\n';
const utf8 = new TextDecoder('utf-8');

/** The headers of wire v1 (docs/reference/messages.md says what each carries). */
export const header = {
  call: 'Mesh-Call',
  deadline: 'Mesh-Deadline',
  ticket: 'Mesh-Ticket',
  grant: 'Mesh-Grant',
  major: 'Mesh-Major',
  child: 'Mesh-Child',
  context: 'Mesh-Context',
  labels: 'Mesh-Labels',
  priority: 'Mesh-Priority',
  retryAfter: 'Mesh-Retry-After',
  route: 'Mesh-Route',
  difficulty: 'Mesh-Difficulty',
  intent: 'Mesh-Intent',
  bodyRef: 'Mesh-Body-Ref',
  chunk: 'Mesh-Chunk',
  parts: 'Mesh-Parts',
  part: 'Mesh-Part',
  attempt: 'Mesh-Attempt',
  question: 'Mesh-Question',
  contentType: 'Content-Type',
  status: 'Mesh-Status',
  usage: 'Mesh-Usage',
  usageBound: 'Mesh-Usage-Bound',
  record: 'Mesh-Record',
  outcome: 'Mesh-Outcome',
  check: 'Mesh-Check',
  stage: 'Mesh-Stage',
  key: 'Mesh-Key',
  instance: 'Mesh-Instance',
  msgId: 'Nats-Msg-Id',
  ttl: 'Nats-TTL',
  stream: 'Nats-Stream',
  sequence: 'Nats-Sequence',
  traceparent: 'traceparent',
  tracestate: 'tracestate',
  serviceError: 'Nats-Service-Error',
  serviceErrorCode: 'Nats-Service-Error-Code',
} as const;

/** Header lines; `undefined` values are left out. */
export type HeaderLines = readonly (readonly [name: string, value: string | number | undefined])[];

/** One header line. A value with CR or LF is a programming error: callers check what they pass on. */
export function headerLine(name: string, value: string | number): string {
  if (typeof value === 'string' && (value.includes('\n') || value.includes('\r'))) {
    throw new RangeError(`line break in header ${name}`);
  }
  return `${name}: ${value}\r\n`;
}

/** A header block of lines made by `headerLine`. */
export function headerBlock(lines: string): string {
  return `${PREFIX}${lines}\r\n`;
}

/** A header block as text. */
export function headerText(lines: HeaderLines): string {
  let text = '';
  for (const [name, value] of lines) {
    if (value !== undefined) {
      text += headerLine(name, value);
    }
  }
  return headerBlock(text);
}

/** A header block as bytes. */
export function encodeHeaders(lines: HeaderLines): Uint8Array {
  return Buffer.from(headerText(lines), 'utf8');
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
