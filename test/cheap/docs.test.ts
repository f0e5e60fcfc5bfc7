/**
 * The pages are true: what they name is there, and what must be named is. Each rule is shown a breach first.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest';
import { table } from '../../subjects/table.js';
import { guards } from '../../src/chain/chain.js';
import { run } from '../../src/cli/main.js';
import { readPolicy } from '../../src/domain/policy-read.js';
import { errorTable } from '../../src/wire/generated/errors.js';
import { header } from '../../src/wire/headers.js';
import { readPage, takeApart, type Found, type Page } from '../support/markdown.js';
import { readRepo } from './tidy/repo.js';

const below = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`);
const pages = ['README.md', 'CHANGELOG.md', ...['docs', 'examples', 'deploy'].flatMap(below)]
  .filter((path) => path.endsWith('.md') && !path.startsWith('docs/reference/'))
  .map(readPage);
const pageOf = (path: string): Page => pages.find((page) => page.path === path) ?? readPage(path);

/** Reports `page:line what is wrong`, one sentence for each breach. */
type Rule = (page: Page) => string[];

const ROOTS = 'src|test|docs|subjects|schemas|bench|bin|examples|\\.ci';
const PATH = new RegExp(`^(?:(?:${ROOTS})(?:/[\\w.-]+)*/?|[\\w-]+\\.(?:md|json|conf|ts))$`);
const isPath = (text: string): boolean => PATH.test(text) && (text.includes('/') || text.includes('.'));

/** Files and folders are named by their path from the root. */
const paths: Rule = ({ path, spans }) =>
  spans
    .filter(({ text }) => isPath(text) && !existsSync(text))
    .map(({ text, line }) => `${path}:${line} there is no ${text}`);

/** Links of our own lead to files and headings; those of others are not followed. */
const links: Rule = ({ path, links: all }) =>
  all
    .filter(({ text }) => !/^https?:/.test(text) && !leads(path, text))
    .map(({ text, line }) => `${path}:${line} the link ${text} leads nowhere`);

function leads(from: string, link: string): boolean {
  const [file = '', anchor] = link.split('#');
  const target = file === '' ? from : posix.join(posix.dirname(from), file);
  return existsSync(target) && (anchor === undefined || pageOf(target).anchors.has(anchor));
}

/** Headers and subjects are those of the wire, variables those that something reads. */
const sources = readRepo().filter(({ path }) => /^(src|bench|bin)\//.test(path));
const headers = new Set<string>(Object.values(header));
const words: Rule = ({ path, spans, fences }) => {
  const all = [...spans, ...fences.map(({ text, line }) => ({ text, line }))];
  const foreign = (pattern: RegExp, known: (word: string) => boolean): string[] =>
    all.flatMap(({ text, line }) =>
      [...text.matchAll(pattern)]
        .filter(([, word = '']) => !known(word))
        .map(([whole]) => `${path}:${line} nothing in the code is called ${whole}`),
    );
  return [
    ...foreign(/\b(Mesh-[A-Z][\w-]*)/g, (word) => headers.has(word)),
    ...foreign(/\bmesh\.v1\.(\w+)/g, (word) => Object.hasOwn(table, word)),
    ...foreign(/\b((?:MESH|NATS)_[A-Z]+)\b/g, (word) => sources.some(({ text }) => text.includes(word))),
  ];
};

/** What is shown as a policy can be loaded. */
const policies: Rule = ({ path, fences }) =>
  fences
    .filter(({ language, text }) => language === 'yaml' && /^# (?:\.mesh\/)?mesh\.policy\.yaml\n/.test(text))
    .flatMap(({ text, line }) =>
      readPolicy(text, path).problems.map(({ where, why }) => `${path}:${line} ${where}: ${why}`),
    );

/** Every command by its words, with its help; a group has an empty one. */
const commands = new Map<string, string>();
/** A command whose help is made by a program of its own, and where its options stand. */
const OWN_HELP: Readonly<Record<string, string>> = { bench: 'bench/options.ts' };

async function readCommands(words: readonly string[]): Promise<void> {
  const own = OWN_HELP[words.join(' ')];
  const help = own === undefined ? await helpOf(words) : readFileSync(own, 'utf8');
  const list = own === undefined ? /\nCommands:\n([\s\S]*?)\n\n/.exec(`${help}\n\n`)?.[1] : undefined;
  const inner = [...(list ?? '').matchAll(/^ {2}([a-z][\w-]*)/gm)].map(([, name = '']) => name);
  commands.set(words.join(' '), list === undefined ? help : '');
  for (const name of inner.filter((one) => one !== 'help')) {
    await readCommands([...words, name]);
  }
}

async function helpOf(words: readonly string[]): Promise<string> {
  let said = '';
  const listeners = new Set(process.stdout.listeners('error'));
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
  try {
    await run([...words, '--help']);
  } finally {
    write.mockRestore();
    const added = process.stdout.listeners('error').filter((one) => !listeners.has(one));
    added.forEach((one) => process.stdout.off('error', one as () => void));
  }
  return said;
}

/** Commands that are typed or talked about exist, with the options that go with them. */
const typed: Rule = ({ path, spans, fences }) => {
  const scripts = fences
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text, line }) => text.split('\n').map((one, i) => ({ text: one, line: line + i })));
  return [
    ...spans.filter(({ text }) => /^(npx )?mesh /.test(text)),
    ...scripts.filter(({ text }) => /\bmesh [a-z]/.test(text)),
  ].flatMap((found) => wrongIn(found).map((what) => `${path}:${found.line} ${what}`));
};

function wrongIn({ text }: Found): string[] {
  const rest = text.replace(/^.*?\bmesh /, '').split(/ -- | \| |\)/)[0] ?? '';
  const given = rest.split(/\s+/).filter((word) => word !== '');
  let name = '';
  for (const word of given) {
    const longer = `${name} ${word}`.trim();
    if (!commands.has(longer)) {
      break;
    }
    name = longer;
  }
  const help = commands.get(name) ?? '';
  const next = given[name === '' ? 0 : name.split(' ').length];
  if (help === '' && next !== undefined && /^[a-z]/.test(next)) {
    return [`there is no command mesh ${`${name} ${next}`.trim()}`];
  }
  return given
    .filter((word) => /^--[a-z]/.test(word) && help !== '' && !help.includes(word))
    .map((flag) => `mesh ${name} has no option ${flag}`);
}

beforeAll(() => readCommands([]));
afterAll(() => {
  process.exitCode = undefined; // the commands have set it
});

describe.each([
  ['paths', paths, '`src/wire/names.ts` and `src/wire/nome.ts`', ['src/wire/nome.ts']],
  [
    'links',
    links,
    '[a](CHANGELOG.md) [b](docs/none.md) [c](README.md#commands) [d](#nowhere)',
    ['docs/none.md', '#nowhere'],
  ],
  [
    'words',
    words,
    '`Mesh-Call` `Mesh-Coll` `mesh.v1.task.a` `mesh.v1.tusk.a` `MESH_URL` `MESH_URN`',
    ['Mesh-Coll', 'mesh.v1.tusk', 'MESH_URN'],
  ],
  [
    'commands',
    typed,
    '`mesh up --port 1` `mesh down` `mesh agents odd` `mesh call a.b --timeaut 1`',
    ['mesh down', 'mesh agents odd', '--timeaut'],
  ],
  [
    'policies',
    policies,
    '```yaml\n# mesh.policy.yaml\nversion: 1\nrates: { odd: { each: agent, fanOut: 1 }, even: { each: tree, calls: 2 } }\n```',
    ['rates.odd'],
  ],
] as const)('docs: %s', (_, rule, planted, seen) => {
  it('sees a planted breach, and nothing else', () => {
    const found = rule(takeApart('README.md', `# Page\n\n${planted}\n`));
    expect(found).toEqual(seen.map((word) => expect.stringContaining(word) as string));
  });

  it('finds none in the pages', () => {
    const found = pages.flatMap(rule);
    expect(found, `\n${found.join('\n')}\n`).toEqual([]);
  });
});

test('every block of YAML about traffic and failures is a policy of its own', () => {
  const blocks = ['docs/traffic.md', 'docs/resilience.md'].map((path) =>
    pageOf(path).fences.filter(({ language }) => language === 'yaml'),
  );
  expect(blocks.map(({ length }) => length)).toEqual([2, 1]);
  for (const { text } of blocks.flat()) {
    expect(text).toMatch(/^# (\.mesh\/)?mesh\.policy\.yaml\n/);
  }
});

describe('the README', () => {
  const text = readFileSync('README.md', 'utf8');

  it('lists every command, and no other', () => {
    const listed = [...text.matchAll(/^\| `mesh ([a-z ]+)`/gm)].map(([, name]) => name);
    const there = [...commands].filter(([, help]) => help !== '').map(([name]) => name);
    expect(new Set(listed)).toEqual(new Set(there));
  });

  it('names error codes that exist', () => {
    const picture = pageOf('README.md').fences.find(({ section }) => section === 'One call')?.text ?? '';
    expect(codesIn(picture).length).toBeGreaterThan(15);
    const foreign = [...picture.matchAll(/ ([a-z]+(?:_[a-z]+)+)\b(?!_)/g)].map(([, code = '']) => code);
    expect(foreign.filter((code) => !Object.hasOwn(errorTable, code))).toEqual([]);
  });

  it('shows the guards in their order', () => {
    const picture = pageOf('README.md').fences.find(({ section }) => section === 'One call')?.text ?? '';
    const shown = [...picture.matchAll(/│ ([a-z]+) {2,}/g)].map(([, name]) => name);
    expect(shown).toEqual(guards.map(({ name }) => name));
  });
});

/** Codes of the table in a text, and families of them (`body_*`); what stands in parentheses is a remark. */
function codesIn(text: string): string[] {
  return [...text.replace(/\([^)]*\)/g, '').matchAll(/[a-z]+(?:_[a-z]+)*(?:_\*)?/g)]
    .map(([word]) => word)
    .filter((word) => word.endsWith('_*') || Object.hasOwn(errorTable, word));
}

describe('the picture of the chain', () => {
  const picture = pageOf('docs/architecture.md').fences.find(({ section }) => section === 'The chain')?.text;
  const drawn = new Map<string, string[]>();
  let last = '';
  for (const line of (picture ?? '').split('\n')) {
    const guard = /^ {3}(\w+) .*──▶(.*)$/.exec(line);
    const more = /^ {5}│ {30,}(\S.*)$/.exec(line);
    last = guard?.[1] ?? (more === null ? '' : last);
    if (last !== '') {
      drawn.set(last, [...(drawn.get(last) ?? []), ...codesIn(guard?.[2] ?? more?.[1] ?? '')]);
    }
  }

  it('has the guards in their order', () => {
    expect([...drawn.keys()]).toEqual(guards.map(({ name }) => name));
  });

  it.each(guards.map(({ name }) => name))('%s refuses with what it says it does', (name) => {
    const source = readFileSync(`src/chain/guards/${name}.ts`, 'utf8');
    const said = /- Refuses with:([\s\S]*?)(?:\n \* - |\*\/)/.exec(source)?.[1]?.replace(/\n \*/g, ' ') ?? '';
    const thrown = [...source.matchAll(/meshError\('(\w+)'/g)].map(([, code = '']) => code);
    const all = new Set([...codesIn(said), ...thrown]);
    expect(new Set(drawn.get(name))).toEqual(all);
  });
});
