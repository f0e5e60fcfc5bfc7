/** What each header of wire v1 carries; a header without a row here does not compile. */
import { header } from '../../src/wire/headers.js';
import { code, markdownTable } from './rows.js';

/** On which messages it stands, and what its value is. Markdown. */
const meaning: Readonly<Record<keyof typeof header, readonly [on: string, carries: string]>> = {
  call: ['call, ask, task', 'The call id: a lowercase ULID, fresh for each call; a retry repeats it.'],
  deadline: ['call, ask, task', 'An instant in epoch milliseconds after which nothing is dispatched.'],
  ticket: ['task; child call, child ask', 'The [ticket](#ticket), exactly as it came with the task.'],
  major: ['call, ask', 'The major version of the capability that is asked for.'],
  child: ['child call, child ask', 'Ordinal among the children of the calling task.'],
  context: ['call, ask, task', 'An id that ties calls of one conversation together.'],
  labels: ['call, ask, task', 'A JSON object of texts that travels down the tree of calls.'],
  intent: ['call, ask', 'A tag that says what the call is for.'],
  bodyRef: ['call, ask, task', 'A reference to a body that is too large to send.'],
  contentType: ['call, ask', '`application/json`, or nothing.'],
  status: ['result', 'What the answer is when it is not simply the result.'],
  usage: ['result', 'What the agent says that the call used: JSON.'],
  record: [
    'decision, parked, dead',
    'The record of the mesh: [decision](#decision), [parked](#parked), [dead](#dead).',
  ],
  outcome: ['settle, outcome and every reply that is one', 'The record of the [outcome](#outcome).'],
  key: ['task', 'The idempotency key: the same for every attempt of the call.'],
  instance: ['result', 'The instance that answers.'],
  msgId: ['decision, dead', 'The server stores one message with this id per duplicate window.'],
  ttl: ['settle', 'How long the server keeps the message.'],
  stream: [
    'outcome',
    'Set by the server: the stream that stored the message. Believe an outcome only with `OUTCOMES`.',
  ],
  sequence: ['outcome', 'Set by the server: the sequence in that stream.'],
  serviceError: ['result, and replies that refuse', 'One sentence: why it failed (as in NATS services).'],
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
