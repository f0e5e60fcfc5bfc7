/**
 * Calls that wait: parked ones, and accepted ones that no gateway has decided yet.
 */
import { openTicket } from '../../domain/ticket.js';
import type { ParkedRecord } from '../../wire/generated/messages.js';
import { header, HeaderBlock } from '../../wire/headers.js';
import { parse } from '../../wire/generated/subjects.js';
import { isCallId } from '../../wire/ulid.js';
import type { Control } from '../core.js';
import type { Budget } from './bounds.js';
import { keyOf, parkedIn } from './records.js';

/** A call without a decision. */
export interface WaitingCall {
  readonly status: 'parked' | 'accepted';
  readonly from: string;
  readonly call: string;
  readonly capability: string;
  readonly major: number | undefined;
  readonly root: string;
  readonly parent: string | undefined;
  readonly context: string | undefined;
  readonly since: number;
  readonly deadline: number | undefined;
  readonly why: string;
}

/** All that wait, of one caller or of everybody, the newest first. */
export async function waitingCalls(control: Control, budget: Budget, from?: string): Promise<WaitingCall[]> {
  // Accepted ones first: a call that is parked between the two looks is seen twice rather than not at all.
  const accepted = await acceptedCalls(control, budget, from);
  const parked = await parkedCalls(control, budget, from);
  const keys = new Set(parked.map(keyOf));
  return [...parked, ...accepted.filter((one) => !keys.has(keyOf(one)))].sort((a, b) => b.since - a.since);
}

async function parkedCalls(control: Control, budget: Budget, from?: string): Promise<WaitingCall[]> {
  const found: WaitingCall[] = [];
  const filter = from === undefined ? {} : { filter: `mesh.v1.parked.*.${from}.*` };
  await budget.scan(control, 'PARKED', { headersOnly: true, ...filter }, (m) => {
    const record = parkedIn(m);
    if (record !== undefined) {
      found.push(parkedCall(control, record));
    }
    return undefined;
  });
  return found;
}

/** A parked call and what it waits for. */
export function parkedCall(control: Control, record: ParkedRecord): WaitingCall {
  const { from, call, capability, deadline, parkedAt, headers } = record;
  const major = majorIn(headers[header.major]);
  return {
    status: 'parked',
    from,
    call,
    capability,
    major,
    ...familyOf(control, keyOf(record), headers[header.ticket], headers[header.context]),
    since: parkedAt,
    deadline,
    why: record.approval === undefined ? whyNoCapacity(control, capability, major) : whyHeld(record.approval),
  };
}

/** Who must say yes to it, and which rule asks for that. */
function whyHeld({ rules }: NonNullable<ParkedRecord['approval']>): string {
  const asked = rules.map(
    ({ rule, approvers, count }) => `${count} of ${approvers.join(', ')} (rule ${rule})`,
  );
  return `waits for approval by ${asked.join(' and ')}`;
}

/** What is missing: anybody alive, or anybody free. */
function whyNoCapacity({ registry, roster }: Control, capability: string, major: number | undefined): string {
  const agents = [...(registry.find(capability, major)?.offers.keys() ?? [])];
  const open = agents.flatMap((agent) => roster.of(agent)).filter((instance) => !instance.draining);
  return `waits for capacity (${open.length === 0 ? 'no live agent' : 'all busy'})`;
}

/** Root, parent and context, from the ticket the call carries. One that does not verify will be refused, and has no family. */
function familyOf(
  control: Control,
  key: string,
  ticket: string | undefined,
  context: string | undefined,
): Pick<WaitingCall, 'root' | 'parent' | 'context'> {
  try {
    const opened = ticket === undefined ? undefined : openTicket(control.ring, ticket);
    return {
      root: opened?.root ?? key,
      parent: opened === undefined ? undefined : keyOf(opened),
      context: context ?? opened?.context,
    };
  } catch {
    return { root: key, parent: undefined, context };
  }
}

function majorIn(text: string | undefined): number | undefined {
  const major = Number(text);
  return text !== undefined && Number.isInteger(major) ? major : undefined;
}

const ACCEPTED_MAX = 256;
const ACCEPTED_BYTES = 16_000_000;

/** A message as the leader of a stream tells it. Its header block is the caller's own word, these fields are not. */
interface Told {
  readonly seq: number;
  readonly subject: string;
  readonly time: string;
  readonly hdrs?: string;
  readonly data?: string;
}

/** The oldest calls in CALLS. A work queue bears no second reader, so they are looked at one by one. */
async function acceptedCalls(control: Control, budget: Budget, from?: string): Promise<WaitingCall[]> {
  const found: WaitingCall[] = [];
  const filter = from === undefined ? 'mesh.v1.call.>' : `mesh.v1.call.${from}.>`;
  let bytes = 0;
  for (let seq = 1, n = 0; ; n++) {
    if (n === ACCEPTED_MAX || bytes > ACCEPTED_BYTES || budget.spent) {
      budget.truncated = true;
      return found;
    }
    const request = JSON.stringify({ seq, next_by_subj: filter });
    const reply = await control.nc.request('$JS.API.STREAM.MSG.GET.CALLS', request, { timeout: 2_000 });
    const { message } = reply.json<{ message?: Told }>();
    if (message === undefined) {
      return found;
    }
    seq = message.seq + 1;
    bytes += message.data?.length ?? 0;
    found.push(acceptedCall(control, message));
  }
}

function acceptedCall(control: Control, { seq, subject, time, hdrs }: Told): WaitingCall {
  const headers = new HeaderBlock(Buffer.from(hdrs ?? '', 'base64'));
  const { from = '', capability = '' } = parse.call(subject) ?? {};
  const id = headers.get(header.call) ?? '';
  const call = isCallId(id) ? id : `seq-${seq}`;
  const deadline = Number(headers.get(header.deadline));
  return {
    status: 'accepted',
    from,
    call,
    capability,
    major: majorIn(headers.get(header.major)),
    ...familyOf(control, keyOf({ from, call }), headers.get(header.ticket), headers.get(header.context)),
    since: Date.parse(time),
    deadline: Number.isSafeInteger(deadline) && deadline > 0 ? deadline : undefined,
    why: 'waits for a gateway to decide',
  };
}
