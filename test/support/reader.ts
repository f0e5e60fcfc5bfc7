/**
 * Somebody who follows a page to the letter: code is written to the file it names, commands are typed into terminals
 * of one folder, in the order of the page. A terminal whose command stays open is left open, and the next block is
 * typed into another one. The port that pages name is a free one.
 */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { compilePolicy } from '../../src/domain/policy.js';
import { connectBroker } from '../../src/fabric/connection.js';
import { places, textIfAny } from '../../src/fabric/folder.js';
import { credentialsFile, loadCredentials } from '../../src/fabric/users.js';
import type { Fence, Page } from './markdown.js';
import { until } from './mesh.js';
import { Terminal } from './terminal.js';

/** The port that all pages use; the reader takes a free one. */
const PORT = '4222';

export interface ReaderOptions {
  /** Where the first terminal stands. */
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  /** Commands that stay open, and what they print when they are ready. */
  readonly stays: readonly (readonly [command: string, says: string])[];
  /** Lines that were done for the reader. */
  readonly done?: readonly string[];
  /** How long a block may take. */
  readonly stepMs?: number;
}

const FILE = /^(?:\/\/|#) ([\w./-]+\.(?:mjs|ts|json|ya?ml|py))\n/;

/** Follows pages. Stop it at the end. */
export class Reader {
  readonly #options: ReaderOptions;
  readonly #terminals: { readonly script: string; readonly terminal: Terminal }[] = [];
  /** `cd` and `export` lines so far: every further terminal is opened in the same place. */
  readonly #before: string[] = [];
  #port = '';

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  /** Go through a section of a page, or through all of it; what its commands printed. */
  async follow(page: Page, section?: string): Promise<string> {
    const fences = page.fences.filter((fence) => section === undefined || fence.section === section);
    if (fences.length === 0) {
      throw new Error(`${page.path} has no code under "${section}"`);
    }
    let said = '';
    for (const fence of fences) {
      said += await this.#step(page, fence);
    }
    return said;
  }

  /** Go through all of a page; what its commands printed, by section. */
  async followAll(page: Page): Promise<Map<string, string>> {
    const said = new Map<string, string>();
    for (const section of new Set(page.fences.map((fence) => fence.section))) {
      said.set(section, await this.follow(page, section));
    }
    return said;
  }

  /** Type lines into a terminal; what they printed. */
  async type(script: string): Promise<string> {
    this.#port ||= await freePort();
    const { done = [], stays, folder, env, stepMs = 60_000 } = this.#options;
    const lines = script.split('\n').filter((line) => !done.includes(line));
    const own = lines.join('\n').replaceAll(PORT, this.#port);
    const terminal = new Terminal([...this.#before, own].join('\n'), { cwd: folder, env });
    this.#terminals.push({ script, terminal }); // also one that should end, and does not
    const stay = stays.find(([command]) => `${script}\n`.includes(command));
    this.#before.push(
      ...own.split('\n').flatMap((line) => /^export .*|^cd .*|(?<=^mkdir \S+ && )cd .*/.exec(line) ?? []),
    );
    if (stay === undefined) {
      const said = await terminal.ends(stepMs);
      await this.#policyInForce();
      return said;
    }
    await terminal.shows(stay[1], stepMs);
    return terminal.said;
  }

  /** Ctrl-C in the terminal in which this command stays. */
  async interrupt(command: string): Promise<void> {
    await this.#terminals.findLast(({ script }) => script.includes(command))?.terminal.interrupt();
  }

  /** Ctrl-C in every terminal, last opened first. */
  async stop(): Promise<void> {
    for (const { terminal } of this.#terminals.toReversed()) {
      await terminal.interrupt();
    }
  }

  async #step(page: Page, { language, text, line }: Fence): Promise<string> {
    if (language === 'sh') {
      return await this.type(text.trimEnd());
    }
    const name = FILE.exec(text)?.[1];
    if (name === undefined) {
      if (language === 'text' || language === '') {
        return ''; // what is shown, not done
      }
      throw new Error(`${page.path}:${line} the code names no file in its first line`);
    }
    const file = join(this.#folder(), name);
    mkdirSync(dirname(file), { recursive: true });
    this.#port ||= await freePort();
    writeFileSync(file, text.replaceAll(PORT, this.#port));
    await this.#policyInForce();
    return '';
  }

  /** Where a terminal opened now would stand. */
  #folder(): string {
    const steps = this.#before.map((line) => /^cd (\S+)/.exec(line)?.[1] ?? '');
    return join(this.#options.folder, ...steps);
  }

  /** A reader is slower than the mesh, which looks at the policy twice a second; a test is not. */
  async #policyInForce(): Promise<void> {
    const dir = this.#options.env['MESH_DATA'] ?? join(this.#folder(), '.mesh');
    const text = textIfAny(join(dir, places.policy));
    if (text === undefined || textIfAny(join(dir, places.state)) === undefined) {
      return;
    }
    const { policy } = JSON.parse(readFileSync(join(dir, places.state), 'utf8')) as { policy: string };
    const { digest } = compilePolicy(readFileSync(policy, 'utf8'), 'the policy');
    const { name, seed } = loadCredentials(credentialsFile(dir, 'operator'));
    const nc = await connectBroker({ url: `nats://127.0.0.1:${this.#port}`, name, seed });
    try {
      await until(async () => {
        const state = await nc.request('mesh.v1.view.operator.state', '{}', { timeout: 5_000 });
        return state.json<{ policy: string }>().policy === digest;
      });
    } finally {
      await nc.close();
    }
  }
}

/** An environment in which nobody has set anything of ours. */
export function cleanEnv(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const foreign = Object.entries(process.env).filter(([name]) => !/^(MESH|NATS)_/.test(name));
  return {
    ...Object.fromEntries(foreign),
    NO_COLOR: '1',
    npm_config_yes: 'false',
    npm_config_loglevel: 'error',
    npm_config_prefer_offline: 'true', // the registry is asked only about what npm does not have yet
    // `npm install ../capmesh` would compile the programs over that others run meanwhile.
    npm_config_ignore_scripts: 'true',
    ...more,
  };
}

/**
 * Somebody in a new folder that holds nothing but the package. `leave` stops everything and removes the folder.
 * The npx there starts what is installed and asks nothing else; the package tests try the real one.
 * `more`: variables that are set there.
 */
export function sitDown(
  stays: ReaderOptions['stays'],
  more: NodeJS.ProcessEnv = {},
): {
  readonly reader: Reader;
  readonly folder: string;
  readonly leave: () => Promise<void>;
} {
  const folder = mkdtempSync(join(tmpdir(), 'capmesh-page-'));
  install(folder);
  const env = cleanEnv({ ...more, PATH: pathWithQuickNpx(folder) });
  const reader = new Reader({ folder, env, stays });
  const leave = async (): Promise<void> => {
    await reader.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { reader, folder, leave };
}

/** As if npm had installed the package into the folder, and programs of packages that it comes with. */
export function install(folder: string, programs: readonly string[] = []): void {
  const bin = join(folder, 'node_modules', '.bin');
  mkdirSync(bin, { recursive: true });
  symlinkSync(resolve('.'), join(folder, 'node_modules', 'capmesh'));
  symlinkSync('../capmesh/bin/mesh.js', join(bin, 'mesh'));
  programs.forEach((name) => symlinkSync(`../capmesh/node_modules/.bin/${name}`, join(bin, name)));
  writeFileSync(join(folder, 'package.json'), '{"name":"own","private":true}\n');
}

/** A PATH with the command `nats`: the one that is given, or a stand-in over the official client. */
export function pathWithNats(folder: string, nats?: string): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  const command = nats ?? `node '${resolve('test/support/nats-command.mjs')}'`;
  writeFileSync(join(bin, 'nats'), `#!/bin/sh\nexec ${command} "$@"\n`);
  chmodSync(join(bin, 'nats'), 0o755);
  return [bin, process.env['PATH'] ?? ''].join(delimiter);
}

/** A PATH with an npx that starts what is installed in the folder where it is typed, and asks nothing else. */
export function pathWithQuickNpx(folder: string): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'npx'), '#!/bin/sh\nPATH=$PWD/node_modules/.bin:$PATH\nexec "$@"\n');
  chmodSync(join(bin, 'npx'), 0o755);
  return [bin, process.env['PATH'] ?? ''].join(delimiter);
}

function freePort(): Promise<string> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(String(port)));
    });
  });
}
