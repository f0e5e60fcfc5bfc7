/**
 * Which version of the product was measured.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { packageFile } from '../src/fabric/package.js';

/** Version of the package, and the commit when this is a checkout. */
export function versionOf(): string {
  const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string };
  try {
    const args = ['describe', '--always', '--dirty', '--tags'];
    const cwd = new URL('.', import.meta.url);
    const commit = execFileSync('git', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return `${version}+${commit.trim()}`;
  } catch {
    return version;
  }
}
