/**
 * Writes the reference of what programs import, `docs/reference/api.md`, from the declarations and docstrings of what
 * the doors of the package export. Read from the text: the compiler we use has no interface to programs, and the layout
 * is the formatter's, so the text is as regular as a syntax tree.
 */
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { declarationOf, type Declaration } from './declarations.js';

/** The doors: what is imported, and the file that says what it exports. */
export const doors: readonly { readonly name: string; readonly file: string; readonly intro: string }[] = [
  {
    name: 'capmesh',
    file: 'src/agent/index.ts',
    intro: 'For agents and callers. The codes of errors: [errors](errors.md).',
  },
  {
    name: 'capmesh/testing',
    file: 'src/testing/index.ts',
    intro:
      'For tests of agents and callers; how to use it: [test your agents](../howto/test-your-agents.md).',
  },
];

/** Everything that a door exports, in its order. Throws when a declaration or its docstring cannot be found. */
export function exportsOf(file: string): Declaration[] {
  return exportedFrom(file).map(({ name, from }) => find(name, from));
}

/** The body of the page. */
export function apiPage(): string {
  return doors
    .map(({ name, file, intro }) => `## ${name}\n\n${intro}\n\n${exportsOf(file).map(section).join('')}`)
    .join('');
}

function section({ name, doc, code }: Declaration): string {
  return `### ${name}\n\n${doc}\n\n\`\`\`ts\n${code}\n\`\`\`\n\n`;
}

interface Exported {
  readonly name: string;
  readonly from: string;
}

function exportedFrom(file: string): Exported[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)';/gm)].flatMap(
    ([, list = '', path = '']) =>
      list
        .split(',')
        .map((name) => name.trim().replace(/^type /, ''))
        .filter((name) => name !== '')
        .map((name) => ({ name, from: posix.join(posix.dirname(file), path).replace(/\.js$/, '.ts') })),
  );
}

/** In the file, or in the one that it passes the name on from. */
function find(name: string, file: string): Declaration {
  const own = declarationOf(name, readFileSync(file, 'utf8'));
  if (own !== undefined) {
    return own;
  }
  const passed = exportedFrom(file).find((one) => one.name === name);
  if (passed === undefined) {
    throw new Error(`${file} exports no ${name} with a docstring`);
  }
  return find(name, passed.from);
}
