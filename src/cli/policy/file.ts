/**
 * Which policy a command means: the file that is named, else the one of the settings and the data folder.
 */
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Command } from 'commander';
import { compilePolicy, type Policy } from '../../domain/policy.js';
import { ownerFiles } from '../../domain/owners/read.js';
import { places } from '../../fabric/folder.js';
import { readPolicyTexts, type PolicyTexts } from '../../fabric/policy-files.js';
import { meshError } from '../../wire/errors.js';
import { folderOf } from '../context.js';
import { pathIn, readSettings, withSettings, type Flags } from '../settings.js';
import { readState } from '../state.js';

/** Options of commands that read a policy file. */
export interface FileOptions extends Flags {
  readonly json?: boolean;
}

/** Give a command the settings that say where the policy is. */
export function fileOptions(command: Command): Command {
  return withSettings(command, 'data', 'policy').option('--json', 'print one JSON line');
}

/** The file in force here, or the one that is named. */
export function policyFileOf(named: string | undefined, flags: FileOptions): string {
  if (named !== undefined) {
    return named;
  }
  const settings = readSettings(flags, ['data', 'policy']);
  const dir = folderOf(settings);
  return pathIn(settings, 'policy') ?? readState(dir)?.policy ?? join(dir, places.policy);
}

/** The text of a file. Throws config_missing. */
export function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (err) {
    throw meshError('config_missing', { what: here(file) }, err);
  }
}

/** A policy file with those of its owners. Throws config_missing. */
export function textsOf(file: string): PolicyTexts {
  textOf(file); // says what is missing as it is seen from here
  return readPolicyTexts(file, ownerFiles);
}

/** Compile a file with those of its owners. Throws config_missing, config_invalid. */
export function readPolicyFile(file: string): Policy {
  const { text, files } = textsOf(file);
  return compilePolicy(text, here(file), files);
}

/** A path as it is seen from here. */
export function here(file: string): string {
  return relative(process.cwd(), file) || '.';
}
