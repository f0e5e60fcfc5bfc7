/**
 * Views: what control can see, told to those who may look, and find, for those who look for a capability. Everything
 * is read when it is asked for: any control process can answer, also one that does not lead.
 */
import type { Msg } from '../fabric/connection.js';
import { compileOurs, type Validator } from '../domain/validator.js';
import { meshError } from '../wire/errors.js';
import type { Find, View } from '../wire/generated/messages.js';
import { schemas } from '../wire/generated/schemas.js';
import { parse, pattern } from '../wire/generated/subjects.js';
import { decodeJson } from '../wire/json.js';
import { reconcile } from './budgets/reconcile.js';
import { viewBudgets } from './budgets/view.js';
import { serve, type Control } from './core.js';
import type { Supervisor } from './supervisor.js';
import { viewBreakers } from './breakers.js';
import { viewAgent, viewAgents } from './views/agents.js';
import { Gate, Slots } from './views/bounds.js';
import { viewCall } from './views/call.js';
import { viewCalls } from './views/calls.js';
import { viewDead } from './views/dead.js';
import { find } from './views/find.js';
import { livePolicy } from './policy.js';
import { viewShadow } from './shadow.js';
import { viewLearned } from './views/learned.js';
import { viewParked } from './views/parked.js';
import { viewState } from './views/state.js';
import { viewTraffic } from './views/traffic.js';

const REQUEST_BYTES = 4_096;
const READERS = 2;
const fitsFind = compileOurs(schemas.find);
const fitsView = compileOurs(schemas.view);

/** What a view is made from. */
interface Sources {
  readonly control: Control;
  readonly supervisor: Supervisor;
  /** Views that read streams: each may hold tens of megabytes while it does. */
  readonly readers: Slots;
}

type ViewOf = (sources: Sources, view: View) => unknown;

const views: Readonly<Record<string, ViewOf>> = {
  agents: ({ control }, view) => viewAgents(control, view),
  agent: ({ control }, view) => viewAgent(control, needs(view, 'agent')),
  budgets: ({ control }, view) => viewBudgets(control, control.books, view),
  reconcile: ({ control, readers }, view) => readers.run(() => reconcile(control, control.books, view)),
  calls: ({ control, readers }, view) => readers.run(() => viewCalls(control, view)),
  call: ({ control, readers }, view) => {
    needs(view, 'call');
    return readers.run(() => viewCall(control, view));
  },
  traffic: ({ control, supervisor, readers }, view) =>
    readers.run(() => viewTraffic(control, supervisor, view)),
  learned: ({ control }, view) => viewLearned(control, view),
  dead: ({ control, readers }, view) => readers.run(() => viewDead(control, view)),
  parked: ({ control, readers }, view) => readers.run(() => viewParked(control, view)),
  breakers: ({ control, readers }, view) => readers.run(() => viewBreakers(control, view)),
  policy: ({ control }) => livePolicy(control),
  shadow: ({ control }) => viewShadow(control),
  state: ({ control, supervisor }) => viewState(control, supervisor),
};

/** Serve find and views. Returns how to stop. */
export function serveViews(control: Control, supervisor: Supervisor): () => void {
  const gate = new Gate();
  const sources: Sources = { control, supervisor, readers: new Slots(READERS) };
  const stopFind = serve(
    control,
    pattern.find,
    (subject) => parse.find(subject)?.from,
    (msg, from) => gate.run(from, () => find(control, from, read<Find>(msg, fitsFind, 'find'))),
  );
  const stopView = serve(
    control,
    pattern.view,
    (subject) => parse.view(subject)?.from,
    (msg, from) => {
      const what = parse.view(msg.subject)?.what ?? '';
      return gate.run(from, () => viewFor(what)(sources, read<View>(msg, fitsView, `view.${what}`)));
    },
  );
  return () => {
    stopFind();
    stopView();
  };
}

function viewFor(what: string): ViewOf {
  const view = Object.hasOwn(views, what) ? views[what] : undefined;
  if (view === undefined) {
    throw meshError('not_found', { what: 'the view', name: what });
  }
  return view;
}

/** Read a request. An empty one asks for everything. Throws schema_violation, body_*. */
function read<T>(msg: Msg, fits: Validator, what: string): T {
  const value = decodeJson(msg.data, REQUEST_BYTES) ?? {};
  const errors = fits(value);
  if (errors !== undefined) {
    throw meshError('schema_violation', { capability: what, errors });
  }
  return value as T;
}

function needs(view: View, key: 'agent' | 'call'): View {
  if (view[key] === undefined) {
    throw meshError('schema_violation', { capability: `view.${key}`, errors: [`/: must have ${key}`] });
  }
  return view;
}
