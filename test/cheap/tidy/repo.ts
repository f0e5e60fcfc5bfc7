/** Reads the repository: every text file that is tracked or could be. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import type { SourceFile } from './rule.js';

const TEXT = /(\.(ts|js|mjs|json|md|ya?ml|conf|sh|txt)|(^|\/)(LICENSE|\.[\w.]+))$/;

/** The text files, without the lock file. */
export function readRepo(): SourceFile[] {
  const list = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], { encoding: 'utf8' });
  return list
    .split('\0')
    .filter((path) => TEXT.test(path) && path !== 'package-lock.json' && existsSync(path))
    .map((path) => ({ path, text: readFileSync(path, 'utf8') }));
}
