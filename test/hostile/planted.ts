/**
 * Planted weaknesses: the configuration is wider than the shipped one in one place, and the suite must say so. What it
 * reports for each is known beforehand, no more and no less.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { until, type TestMesh } from '../support/mesh.js';
import { ask } from '../support/views.js';
import { widen, type Widening } from './widen.js';

/** A weakness, and the attacks that succeed with it among those that are tried. */
export interface Plant {
  readonly what: string;
  readonly tried: RegExp;
  readonly finds: readonly string[];
  readonly widening?: Widening;
  readonly policy?: (text: string) => string;
}

const agents: Widening['users'] = ({ role }) => role === 'agent';
const callers: Widening['users'] = ({ role }) => role === 'caller';

/** What is tried with a weakness of the server: quick, and about it. */
const BROKER =
  /^(speak-|be-another|listen-in|read-inboxes|take-tasks|join-the|command-under|push-|write-by|trace-to)/;

export const plants: Readonly<Record<string, Plant>> = {
  tasks: {
    what: 'agents may publish tasks',
    tried: BROKER,
    finds: ['speak-for-the-mesh'],
    widening: { users: agents, publish: ['mesh.v1.task.>'] },
  },
  inboxes: {
    what: 'callers may hear all inboxes',
    tried: BROKER,
    finds: ['read-inboxes'],
    widening: { users: callers, subscribe: ['_INBOX.>'] },
  },
  names: {
    what: 'callers may call under every name',
    tried: BROKER,
    finds: ['speak-as-another', 'trace-to-others'],
    widening: { users: callers, publish: ['mesh.v1.call.>'] },
  },
  queue: {
    what: 'agents may hear their tasks without the queue',
    tried: BROKER,
    finds: ['take-tasks-twice'],
    widening: { users: ({ name }) => name === 'evil', subscribe: ['mesh.v1.task.evil.>'] },
  },
  ingress: {
    what: 'agents may write through the ingress',
    tried: BROKER,
    finds: ['write-by-the-ingress'],
    widening: { users: agents, publish: ['_k.>'] },
  },
  consumers: {
    what: 'agents may make consumers',
    tried: BROKER,
    finds: ['push-consumer'],
    widening: { users: agents, publish: ['$JS.API.CONSUMER.CREATE.>'] },
  },
  policy: {
    what: 'a role may call more than it should',
    tried: /^(call-what|confused|label-oneself|rule-through)/,
    finds: ['call-what-is-not-granted', 'confused-deputy', 'label-oneself-in'],
    policy: (text) => text.replaceAll(/(little|weak): \{ call: \[[^\]]*\]/g, "$1: { call: ['>']"),
  },
};

/** Widen a mesh that runs. The next weakness takes its place. */
export async function plant(mesh: TestMesh, { widening, policy }: Plant): Promise<void> {
  await widen(mesh, widening ?? { users: () => false });
  if (policy !== undefined) {
    const live = readFileSync(mesh.policyFile, 'utf8');
    writeFileSync(mesh.policyFile, policy(live)); // so that control and a later start agree
    await until(async () => {
      const pushed = await ask<{ digest: string; before: string }>(mesh.operator, 'admin.operator.policy', {
        policy: policy(live),
      });
      return pushed.digest === pushed.before;
    });
  }
}
