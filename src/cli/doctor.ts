/**
 * `mesh doctor`: found, want, fix.
 */
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Settings } from '../domain/config/resolve.js';
import { places, textIfAny } from '../fabric/folder.js';
import { asMeshError } from '../wire/errors.js';
import { CONNECTS, contextOf, folderOf } from './context.js';
import { finding, type Finding } from './doctor/finding.js';
import { checkBinary, checkModes, checkPermissions, checkProcesses, checkSync } from './doctor/local.js';
import { checkRemote } from './doctor/remote.js';
import { exits, paint, say, sayJson, table } from './output.js';
import { readSettings, withSettings, type Flags } from './settings.js';
import { readState } from './state.js';

interface DoctorOptions extends Flags {
  readonly json?: boolean;
}

/** Add the command. */
export function register(program: Command): void {
  withSettings(program.command('doctor'), ...CONNECTS, 'users.operator')
    .summary('what is wrong here, and how to mend it')
    .description(
      'Check server, streams, permissions, files and processes: what was found, what is wanted, the fix.',
    )
    .option('--json', 'print one JSON line')
    .addHelpText('after', HELP)
    .action(doctor);
}

const HELP = `
Examples:
  $ mesh doctor
  $ mesh doctor --data ./prod --json

Exits with 0 when all is fine (warnings included), with 1 when there is something to mend.`;

async function doctor({ json, ...flags }: DoctorOptions): Promise<void> {
  const settings = readSettings(flags, [...CONNECTS, 'users.operator']);
  const dir = folderOf(settings);
  const state = readState(dir);
  const isMesh = textIfAny(join(dir, places.users)) !== undefined;
  const findings = [
    await checkBinary(),
    ...(await checkRunning(settings)),
    ...(isMesh ? [checkSync(dir, state?.server !== undefined), checkPermissions(dir), checkModes(dir)] : []),
    ...(state === undefined ? [] : checkProcesses(state)),
  ];
  const fine = findings.every(({ state: s }) => s !== 'mend');
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

/** What can only be asked of a mesh that runs; that none does is a finding too. */
async function checkRunning(settings: Settings): Promise<Finding[]> {
  try {
    return await checkRemote(contextOf(settings, 'operator'));
  } catch (err) {
    const { sentence, help } = asMeshError(err, 'doctor');
    return [finding('mesh', false, sentence, 'running', help)];
  }
}

const MARKS = { fine: paint.green('fine'), warn: paint.yellow('warn'), mend: paint.red('mend') } as const;

function report(findings: readonly Finding[]): string[] {
  const rows = findings.map(({ what, state, found, want, fix }) => [
    MARKS[state],
    what,
    found,
    state === 'fine' ? '' : want,
    fix,
  ]);
  return table(rows, ['', 'what', 'found', 'want', 'fix']);
}
