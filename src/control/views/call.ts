/**
 * View of one call: its whole tree, with attempts, waits, outcomes and the time per hop.
 */
import { getLast } from '../../fabric/reader.js';
import { streamState } from '../../fabric/streams.js';
import type { ErrorBody, OutcomeRecord, View } from '../../wire/generated/messages.js';
import { header } from '../../wire/headers.js';
import { limits } from '../../wire/limits.js';
import { asToken } from '../../wire/names.js';
import type { Control } from '../core.js';
import { Budget, eachOf, fit, mark } from './bounds.js';
import { locate, outcomeOf, startsOf, type Located, type Start } from './locate.js';
import { nodeOf, type Found } from './node.js';
import type { CallNode, CallPage } from './pages.js';
import { decisionIn, keyOf, outcomeIn } from './records.js';
import { waitingCalls, type WaitingCall } from './waiting.js';

const READS_AT_ONCE = 16;
/** Nothing of a tree is decided later than this after the deadline of its root. */
const AFTER_MS = 5_000;

type Tree = Map<string, Found>;

/** The tree of a call. Throws not_found, name_invalid. */
export async function viewCall(control: Control, view: View): Promise<CallPage> {
  const call = asToken(view.call, 'call');
  const budget = new Budget();
  const waiting = await waitingCalls(control, budget);
  const located = await locate(control, budget, waiting, call, view.from);
  const tree = await readTree(control, budget, located);
  addWaiting(tree, waiting, located.root);
  if (!tree.has(located.key)) {
    tree.set(located.key, { key: located.key, decisions: [], waiting: undefined }); // only its outcome is left
  }
  await addOutcomes(control, tree);
  const nodes = [...tree.values()].flatMap((found) => nodeOf(found, found.key === located.key) ?? []);
  const { rows, cut } = fitAround(nodes, located);
  return { root: located.root, calls: rows, ...mark(cut || budget.truncated) };
}

/** Read the decisions of a tree, from that of its root on. */
async function readTree(control: Control, budget: Budget, { root, key }: Located): Promise<Tree> {
  const at = root.indexOf('.');
  const outcome = await outcomeOf(control, root.slice(0, at), root.slice(at + 1));
  const { lastSeq } = await streamState(control.nc, 'DECISIONS');
  let tree: Tree = new Map();
  for (const start of startsOf(root, outcome)) {
    tree = await readFrom(control, budget, { start, lastSeq, root, key });
    if (tree.has(root)) {
      break;
    }
  }
  // What reviewing agents were asked before the root was decided was decided earlier.
  const [birth] = tree.get(root)?.decisions[0]?.record.reviews === undefined ? [] : startsOf(root, undefined);
  const whole =
    birth === undefined ? tree : await readFrom(control, budget, { start: birth, lastSeq, root, key });
  return whole.has(root) ? whole : tree;
}

interface Reading {
  readonly start: Start;
  readonly lastSeq: number;
  readonly root: string;
  readonly key: string;
}

async function readFrom(control: Control, budget: Budget, r: Reading): Promise<Tree> {
  const tree: Tree = new Map();
  let until = Infinity;
  await budget.scan(control, 'DECISIONS', { ...r.start, headersOnly: true }, (m) => {
    // Most decisions belong to other trees: they are told apart before anything is parsed.
    const ours = m.headers.get(header.record)?.includes(r.root) === true;
    const decided = ours ? decisionIn(m) : undefined;
    if (decided !== undefined && decided.record.root === r.root && m.seq <= r.lastSeq) {
      const key = keyOf(decided.record);
      const found = tree.get(key);
      if (found !== undefined) {
        found.decisions.push(decided);
      } else if (tree.size < limits.viewRows || key === r.key) {
        tree.set(key, { key, decisions: [decided], waiting: undefined });
      } else {
        budget.truncated = true;
      }
      if (key === r.root) {
        until = Math.max(decided.record.deadline, decided.record.at) + AFTER_MS;
      }
    }
    return m.seq < r.lastSeq && timeOf(m.headers.get(header.record)) < until;
  });
  return tree;
}

const AT = /"at":(\d+)/;

/** The instant of a decision, without parsing the rest of it. */
function timeOf(record: string | undefined): number {
  return Number(AT.exec(record ?? '')?.[1] ?? 0);
}

function addWaiting(tree: Tree, waiting: readonly WaitingCall[], root: string): void {
  for (const one of waiting.toReversed()) {
    const key = keyOf(one);
    if (one.root === root && !tree.has(key) && tree.size < limits.viewRows) {
      tree.set(key, { key, decisions: [], waiting: one });
    }
  }
}

/** The register holds one outcome for each. The body is read for what failed; results are not shown. */
async function addOutcomes(control: Control, tree: Tree): Promise<void> {
  await eachOf([...tree.values()], READS_AT_ONCE, async (found) => {
    const at = found.key.indexOf('.');
    const to = `mesh.v1.settle.${found.key.slice(0, at)}.${found.key.slice(at + 1)}`;
    const stored = await getLast(control.nc, 'OUTCOMES', to);
    const outcome = stored === undefined ? undefined : outcomeIn(stored);
    if (stored !== undefined && outcome !== undefined) {
      found.outcome = outcome;
      found.outcomeStoredAt = stored.storedAt;
      found.error = errorIn(outcome, stored.body);
    }
  });
}

function errorIn(outcome: OutcomeRecord, body: Uint8Array): ErrorBody | undefined {
  return outcome.status === 'completed' || body.length === 0
    ? undefined
    : (JSON.parse(Buffer.from(body).toString()) as ErrorBody);
}

/** What fits into a reply: the asked call and its root first, then the others as they came. */
function fitAround(nodes: readonly CallNode[], { key, root }: Located): { rows: CallNode[]; cut: boolean } {
  const first = (node: CallNode) => Number([key, root].includes(keyOf(node)));
  const { rows, cut } = fit(nodes.toSorted((a, b) => first(b) - first(a)));
  const kept = new Set(rows);
  return { rows: nodes.filter((node) => kept.has(node)), cut };
}
