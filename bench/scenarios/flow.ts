/**
 * f) One slow agent among eight in an approval flow, named by `mesh trace`.
 *
 * A claim goes through eight agents that call each other, and its payout waits for a person. One of the eight, another
 * one for each claim, takes ten times as long as usual. `mesh trace` must name it. Beside it the guess of somebody who
 * has the logs of all agents: the one that says it took longest.
 */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { newCallId, type Mesh } from '../../src/agent/index.js';
import { askControl } from '../../src/cli/operator.js';
import type { ApprovalPage, ApprovalsPage } from '../../src/control/approvals/pages.js';
import type { NatsConnection } from '../../src/fabric/connection.js';
import { packageFile } from '../../src/fabric/package.js';
import { subject } from '../../src/wire/generated/subjects.js';
import type { Token } from '../../src/wire/names.js';
import { shuffled } from '../random.js';
import type { Clerk, Said } from './agents/clerk.js';
import { places, type Played, type Scenario, type Setting } from './scenario.js';
import { onStage, type Stage } from './stage.js';

const WORK_MS = 60;
const TIMES_SLOWER = 10;
const LOOK_MS = 20;
const APPROVER = 'ann';

/** Who asks whom: groups side by side, one group after the other. */
const FLOW: Readonly<Record<string, readonly (readonly string[])[]>> = {
  intake: [['documents', 'fraud'], ['pricing'], ['payout'], ['letter']],
  documents: [['identity']],
  identity: [],
  fraud: [['history']],
  history: [],
  pricing: [],
  payout: [],
  letter: [],
};
const CLERKS = Object.keys(FLOW);

const POLICY = `version: 1
roles:
  claims: { call: ['claim.*'], mayRoot: true }
  clerk: { serve: ['claim.*'], call: ['claim.*'] }
  approver: {}
members:
  me: [claims]
  ${APPROVER}: [approver]
${CLERKS.map((name) => `  ${name}: [clerk]`).join('\n')}
rules:
  - { name: payout-needs-a-person, match: { capability: [claim.payout] }, effect: hold, approvers: [approver], expires: 1h }
`;

/** The scenario. */
export const flow: Scenario = {
  name: 'f',
  title: 'one slow agent among eight in an approval flow',
  play: (setting) => onStage({ policy: POLICY, users: users() }, (stage) => play(stage, setting)),
};

/** One claim: who was slow, and who was named. */
interface Claim {
  readonly slow: string;
  readonly trace: string;
  readonly share: number;
  readonly logs: string;
}

async function play(stage: Stage, { length, random, note }: Setting): Promise<Played> {
  const actors = await stage.cast(
    CLERKS.map((name) => ({ program: 'clerk', names: [name], settings: clerkOf(name) })),
  );
  const me = await stage.connect();
  const person = approving(await stage.connectBroker(APPROVER));
  const claims: Claim[] = [];
  try {
    await me.call('claim.intake', { claim: 'the first one, which warms everything up' });
    for (const slow of shuffled(CLERKS, random).slice(0, length === 'short' ? 2 : CLERKS.length)) {
      const actor = actors.find(({ name }) => name === slow);
      actor?.tell('slow');
      claims.push(await look(stage, me, slow));
      actor?.tell('well');
      note(`${slow} is slow: trace says ${claims.at(-1)?.trace}, the logs say ${claims.at(-1)?.logs}`);
    }
  } finally {
    await person.leave();
  }
  const right = (by: 'trace' | 'logs') => claims.filter((claim) => claim[by] === claim.slow).length;
  return {
    checks: [{ what: 'named by mesh trace', value: right('trace') / claims.length, least: 1 }],
    figures: {
      claims: claims.length,
      approvals: person.approved(),
      namedByTrace: right('trace'),
      namedByLogs: right('logs'),
      each: claims.map((claim) => ({ ...claim })),
    },
  };
}

/** One claim, and who is named afterwards. */
async function look(stage: Stage, me: Mesh, slow: string): Promise<Claim> {
  const id = newCallId();
  await me.call('claim.intake', { claim: id }, { id });
  const longest = stage
    .said<Said>()
    .filter(({ claim }) => claim === id)
    .reduce((most, one) => (one.tookMs > most.tookMs ? one : most));
  const { agent, share } = await traced(stage, id);
  return { slow, trace: agent, share: places(share, 2), logs: longest.agent };
}

/** What `mesh trace` says of a call, as anybody would ask it. */
async function traced(stage: Stage, id: string): Promise<{ agent: string; share: number }> {
  const args = [packageFile('bin/mesh.js'), 'trace', id, '--json', '--data', stage.mesh.dir];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const { slowest } = JSON.parse(stdout) as { slowest?: { agent?: string; hop: string; share: number } };
  return { agent: slowest?.agent ?? slowest?.hop ?? 'nobody', share: slowest?.share ?? 0 };
}

/** A person who says yes to all that waits, promptly. */
function approving(nc: NatsConnection): { approved(): number; leave(): Promise<void> } {
  let here = true;
  let approved = 0;
  const ask = <T>(what: string, body: object): Promise<T> =>
    askControl<T>(nc, subject.approval({ from: APPROVER as Token, what: what as Token }), body);
  const sits = async (): Promise<void> => {
    while (here) {
      const { approvals } = await ask<ApprovalsPage>('ls', {});
      for (const { from, call } of approvals.filter(({ voted }) => voted === undefined)) {
        const { digest } = await ask<ApprovalPage>('show', { from, call });
        await ask('approve', { from, call, digest });
        approved++;
      }
      await sleep(LOOK_MS);
    }
  };
  const sitting = sits();
  return {
    approved: () => approved,
    leave: async () => {
      here = false;
      await sitting;
    },
  };
}

function clerkOf(name: string): Clerk {
  const asks = (FLOW[name] ?? []).map((group) => group.map((other) => `claim.${other}`));
  return { name, serves: `claim.${name}`, workMs: WORK_MS, slowMs: WORK_MS * TIMES_SLOWER, asks };
}

function users(): { name: string; role: 'agent' | 'caller' }[] {
  return [{ name: APPROVER, role: 'caller' }, ...CLERKS.map((name) => ({ name, role: 'agent' as const }))];
}
