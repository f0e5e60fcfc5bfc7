/**
 * Files of this package that are not code.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { meshError } from '../wire/errors.js';

/**
 * The path of a file of the package, by its path from the root: the first folder above this one that holds it, because
 * sources and compiled code lie at different depths.
 */
export function packageFile(relative: string): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const file = join(folder, relative);
    if (existsSync(file)) {
      return file;
    }
    const above = dirname(folder);
    if (above === folder) {
      throw meshError('config_missing', { what: `the file ${relative} of this package` });
    }
    folder = above;
  }
}
