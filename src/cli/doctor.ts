/**
 * `mesh doctor`: found, want, fix.
 */
import type { Command } from 'commander';
import type { Settings } from '../domain/config/resolve.js';
import type { Facts } from '../domain/weakness/facts.js';
import type { Finding } from '../domain/weakness/finding.js';
import { judge } from '../domain/weakness/list.js';
import { readMonitor } from '../fabric/monitor.js';
import { asMeshError } from '../wire/errors.js';
import { CONNECTS, contextOf, folderOf } from './context.js';
import { checkProcesses, lookAtBinary, lookAtFolder } from './doctor/local.js';
import { mend } from './doctor/mend.js';
import { lookAtMesh, type Seen } from './doctor/remote.js';
import { exits, paint, safe, say, sayJson, table } from './output.js';
import { readSettings, withSettings, type Flags } from './settings.js';
import { readState } from './state.js';

const SETTINGS = [...CONNECTS, 'users.operator', 'server.accept'] as const;

interface DoctorOptions extends Flags {
  readonly monitor?: string;
  readonly json?: boolean;
}

/** Add the command. */
export function register(program: Command): void {
  withSettings(program.command('doctor'), ...SETTINGS)
    .summary('what is wrong here, and how to mend it')
    .description(
      'Check server, strangers, rights, streams, policy, files and processes: what was found, what is wanted, the fix. A gateway does not start with what says refuse.',
    )
    .option('--monitor <url>', 'monitoring port of the server, to look at what cannot be seen over NATS')
    .option('--json', 'print one JSON line')
    .addHelpText('after', HELP)
    .action(doctor);
}

const HELP = `
Examples:
  $ mesh doctor
  $ mesh doctor --data ./prod --json
  $ mesh doctor --monitor http://127.0.0.1:8222   also what only the monitoring port tells

Exits with 0 when all is fine (warnings included), with 1 when there is something to mend. It connects as each kind of
user whose key is in the data folder and tries what that user must not: the log of the server shows the refusals.`;

async function doctor({ json, monitor, ...flags }: DoctorOptions): Promise<void> {
  const settings = readSettings(flags, SETTINGS);
  const findings = await examine(settings, monitor);
  const fine = findings.every(({ state }) => state === 'fine' || state === 'warn');
  if (json === true) {
    sayJson({ fine, findings });
  } else {
    say(
      ...report(findings),
      '',
      fine ? paint.green('Nothing to mend.') : paint.red('There is something to mend.'),
    );
  }
  process.exitCode = fine ? exits.completed : exits.failed;
}

async function examine(settings: Settings, monitor: string | undefined): Promise<Finding[]> {
  const dir = folderOf(settings);
  const state = readState(dir);
  const binary = await lookAtBinary();
  const mesh = await lookAtRunning(settings);
  const facts: Facts = {
    ...(typeof binary === 'string' ? { binary } : {}),
    ...(await lookAtFolder(dir, state?.server !== undefined)),
    ...mesh.facts,
    ...(monitor === undefined ? {} : { monitored: await readMonitor(monitor) }),
  };
  return [
    ...(typeof binary === 'string' ? [] : [binary]),
    ...mesh.findings,
    ...judge(facts, settings.value('server.accept')),
    ...(state === undefined ? [] : checkProcesses(state)),
  ];
}

/** What can only be asked of a mesh that runs; that none does is a finding too. */
async function lookAtRunning(settings: Settings): Promise<Seen> {
  try {
    return await lookAtMesh(contextOf(settings, 'operator'));
  } catch (err) {
    const { sentence, help } = asMeshError(err, 'doctor');
    return { facts: {}, findings: [mend('mesh', 'mesh', false, sentence, 'running', help)] };
  }
}

const MARKS = {
  fine: paint.green('fine'),
  warn: paint.yellow('warn'),
  refuse: paint.red('refuse'),
  mend: paint.red('mend'),
} as const;

function report(findings: readonly Finding[]): string[] {
  const rows = findings.map(({ id, what, state, found, want, fix, accepted }) => [
    MARKS[state],
    id,
    safe(what),
    safe(found),
    state === 'fine' ? '' : want,
    accepted === true ? `accepted; ${fix}` : fix,
  ]);
  return table(rows, ['', 'check', 'what', 'found', 'want', 'fix']);
}
