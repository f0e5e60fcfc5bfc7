/** Layers and circles: who may import whom, imports of types included. */
import { posix } from 'node:path';
import { withoutComments, type Rule, type SourceFile } from './rule.js';

/** What each folder may import beside itself. A folder that does not stand here imports what it likes. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  subjects: ['src/domain', 'src/wire'],
  'src/wire': [],
  'src/domain': ['src/wire'],
  'src/fabric': ['src/wire'],
  'src/sight': ['src/wire'],
  'src/chain': ['src/domain', 'src/wire'],
  'src/gateway': ['src/chain', 'src/domain', 'src/fabric', 'src/sight', 'src/wire'],
  'src/control': ['src/domain', 'src/fabric', 'src/sight', 'src/wire'],
  'src/agent': ['src/domain', 'src/fabric', 'src/sight', 'src/wire'],
  'src/adapters': ['src/agent', 'src/wire'],
  'src/testing': ['src/agent', 'src/control', 'src/domain', 'src/fabric', 'src/gateway', 'src/wire'],
  'src/cli': ['src'],
};

interface Import {
  readonly line: number;
  /** A path from the root, or the name of a package. */
  readonly target: string;
  readonly ours: boolean;
}

const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)(['"])([^'"\n]+)\1/g;

function importsOf({ path, text }: SourceFile): Import[] {
  const code = withoutComments(text);
  return [...code.matchAll(IMPORT)].map((found) => {
    const name = found[2] ?? '';
    const line = code.slice(0, found.index).split('\n').length;
    const local = posix.join(posix.dirname(path), name).replace(/\.js$/, '.ts');
    return name.startsWith('.') ? { line, target: local, ours: true } : { line, target: name, ours: false };
  });
}

function folderOf(path: string): string {
  return /^(src\/[^/]+|[^/]+)\//.exec(path)?.[1] ?? '';
}

function breach(folder: string, { target, ours }: Import): string | undefined {
  const may = allowed[folder];
  if (may === undefined) {
    return folder.startsWith('src/') ? `${folder} has no place in the layers: move the file` : undefined;
  }
  if (!ours) {
    const broker = target.startsWith('@nats-io/') && folder !== 'src/fabric';
    return broker ? `only src/fabric imports ${target}: go through src/fabric` : undefined;
  }
  return target.startsWith(`${folder}/`) || may.some((other) => target.startsWith(`${other}/`))
    ? undefined
    : `${folder} may import ${may.join(', ') || 'nothing of ours'}, not ${target}: move the code down, or pass it in`;
}

/** A folder imports only what lies below it. */
export const layers: Rule = {
  name: 'layers',
  check: (files) =>
    sourcesOf(files).flatMap((file) =>
      importsOf(file).flatMap((one) => {
        const why = breach(folderOf(file.path), one);
        return why === undefined ? [] : [`${file.path}:${one.line} ${why}`];
      }),
    ),
  planted: [
    { path: 'src/wire/a.ts', text: "\nimport type { B } from '../domain/b.js';\n" },
    { path: 'src/domain/b.ts', text: "import { a } from '../wire/a.js'; // from '../cli/c.js'\n" },
    { path: 'src/gateway/d.ts', text: "import {\n  connect,\n} from '@nats-io/transport-node';\n" },
    { path: 'src/agent/e.ts', text: "const c = await import('../cli/c.js');\n" },
  ],
  seenAt: ['src/wire/a.ts:2', 'src/gateway/d.ts:3', 'src/agent/e.ts:1'],
};

/** No file imports itself in a circle. */
export const circles: Rule = {
  name: 'circles',
  check: (files) => findCircles(new Map(sourcesOf(files).map((file) => [file.path, importsOf(file)]))),
  planted: [
    { path: 'src/wire/a.ts', text: "import { b } from './b.js';\n" },
    { path: 'src/wire/b.ts', text: "\nexport type { A } from './c.js';\n" },
    { path: 'src/wire/c.ts', text: "import type { A } from './a.js';\n" },
    { path: 'src/wire/d.ts', text: "import { a } from './a.js';\nimport { b } from './b.js';\n" },
  ],
  seenAt: ['src/wire/c.ts:1'],
};

function findCircles(graph: ReadonlyMap<string, readonly Import[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (path: string, trail: readonly string[]): void => {
    for (const { target, line } of graph.get(path) ?? []) {
      const start = trail.indexOf(target);
      if (start >= 0) {
        const way = [...trail.slice(start), target].join(' → ');
        found.push(`${path}:${line} circle ${way}: move what both need into a file of its own`);
      } else if (!done.has(target)) {
        walk(target, [...trail, target]);
      }
    }
    done.add(path);
  };
  for (const path of graph.keys()) {
    if (!done.has(path)) {
      walk(path, [path]);
    }
  }
  return found;
}

function sourcesOf(files: readonly SourceFile[]): SourceFile[] {
  return files.filter((file) => file.path.endsWith('.ts'));
}
