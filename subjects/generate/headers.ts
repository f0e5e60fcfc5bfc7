/** What each header of wire v1 carries; a header without a row here does not compile. */
import { header } from '../../src/wire/headers.js';
import { code, markdownTable } from './rows.js';

/** On which messages it stands, and what its value is. Markdown. */
const meaning: Readonly<Record<keyof typeof header, readonly [on: string, carries: string]>> = {
  call: [
    'call, ask, task, cancel, stop',
    'The call id: a lowercase ULID, fresh for each call; a retry repeats it.',
  ],
  deadline: ['call, ask, task', 'An instant in epoch milliseconds after which nothing is dispatched.'],
  ticket: ['task; child call, child ask', 'The [ticket](#ticket), exactly as it came with the task.'],
  grant: [
    'call, ask',
    'The grant that the caller presents: a JWT for each link, joined by `~`, or the digest of one that it introduced (docs/grants.md).',
  ],
  major: ['call, ask', 'The major version of the capability that is asked for.'],
  child: ['child call, child ask', 'Ordinal among the children of the calling task.'],
  context: ['call, ask', 'An id that ties calls of one conversation together.'],
  route: [
    'call, ask',
    'What the call wishes of its route: a word to choose by (`fastest`, `cheapest` …) and attributes (`gpu=true`), between commas.',
  ],
  difficulty: ['call, ask', '`easy`, `normal` or `hard`: whose proficiency it needs.'],
  labels: ['call, ask', '`key=value,key=value`: texts that travel down the tree of calls, in the ticket.'],
  priority: [
    'call, ask',
    '`critical`, `normal` (the default), `experimental` or `batch`; a child call has that of its parent.',
  ],
  retryAfter: ['outcome, reply', 'Where there was too much at once: when to try again, in ms.'],
  intent: ['call, ask', 'A tag that says what the call is for.'],
  bodyRef: [
    'call, ask, task, result; upload, fetch',
    'A reference to a body that is too large to send, sealed for whoever reads it there; the payload is empty.',
  ],
  chunk: ['upload, fetch', 'Which chunk of a large body: counted from 1.'],
  parts: [
    'call, ask, task; result',
    'Partial outputs the caller takes at once (1 to 1024), then ` questions` when it answers them. On a result: how many there were.',
  ],
  part: [
    'progress, stream, credit, flow',
    'Number of the partial output or question, from 1 in each attempt.',
  ],
  attempt: ['stream', 'The attempt that gave it: a new one counts from 1 again.'],
  question: ['progress, stream, credit, flow', 'Present when it is a question, or the answer to one.'],
  contentType: [
    'call, ask, task, result, outcome',
    '`application/json` or nothing, `application/msgpack`, `application/octet-stream`.',
  ],
  status: [
    'result',
    '`completed` (the default), `failed`, `cancelled`; `busy` or `unserved`: it did not start; `working`: a sign of life.',
  ],
  usage: [
    'result',
    'What the agent says that the call used: a JSON object of whole amounts by unit; where one is none, nothing of it counts.',
  ],
  usageBound: ['result', '`1`: what was used is not known, it was not more than `Mesh-Usage` says.'],
  record: [
    'decision, parked, dead',
    'The record of the mesh: [decision](#decision), [parked](#parked), [dead](#dead).',
  ],
  outcome: ['settle, outcome and every reply that is one', 'The record of the [outcome](#outcome).'],
  check: ['check', 'What a gateway tells of the call it asks about: the [check](#check).'],
  stage: ['stage', 'What an interceptor says of it: the [answer of a stage](#stage).'],
  key: ['task, stop', 'The idempotency key: the same for every attempt of the call.'],
  instance: [
    'hello, beat, bye; messages between services',
    'Who speaks. What the server writes has no headers, so it can be nobody.',
  ],
  msgId: ['decision, dead', 'The server stores one message with this id per duplicate window.'],
  ttl: ['settle', 'How long the server keeps the message.'],
  stream: [
    'outcome',
    'Set by the server: the stream that stored the message. Believe an outcome only with `OUTCOMES`.',
  ],
  sequence: ['outcome', 'Set by the server: the sequence in that stream.'],
  traceparent: [
    'call, ask, task, child call',
    'W3C trace context. What is malformed is ignored; a call without one makes its trace from the id of its root, and its task carries it only when that is sampled.',
  ],
  tracestate: ['call, ask, task, child call', 'Handed on as it came, at most 512 printable characters.'],
  serviceError: [
    'result, and replies that refuse',
    'The status of the outcome, or the class of the error (as in NATS services).',
  ],
  serviceErrorCode: ['result, and replies that refuse', 'The code of that error.'],
};

/** The table of headers, for the page of messages. */
export function headerTable(): string {
  const names = Object.keys(header) as (keyof typeof header)[];
  return markdownTable(
    ['Header', 'On', 'Carries'],
    names.map((name) => [code(header[name]), ...meaning[name]]),
  );
}

/** The headers that stand on one kind of message, for the page of the protocol. */
export function headersOn(message: string): string {
  const word = new RegExp(`\\b${message}\\b`);
  const names = (Object.keys(header) as (keyof typeof header)[]).filter((name) =>
    word.test(meaning[name][0]),
  );
  const cells = names.map((name) => [
    code(header[name]),
    meaning[name][1].replace(/\]\(#/g, '](reference/messages.md#'),
  ]);
  return markdownTable(['Header', 'Carries'], cells);
}
