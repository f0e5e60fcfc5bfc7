/**
 * A reader of a page: writes its code to files, types its commands into terminals, in its order. What a reader does
 * once with the network (npm, pip) is done for them before; the port is a free one.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { delimiter, join, resolve } from 'node:path';
import { compilePolicy } from '../../src/domain/policy.js';
import { connectBroker } from '../../src/fabric/connection.js';
import { credentialsFile, loadCredentials } from '../../src/fabric/users.js';
import { readPage, type Fence, type Page } from './markdown.js';
import { until } from './mesh.js';
import { Terminal } from './terminal.js';

export interface ReaderOptions {
  /** Path of the page from the root. */
  readonly page: string;
  /** A folder of its own; `home` in it is where the commands are typed. */
  readonly folder: string;
  readonly home: string;
  /** Commands that stay, and what they say when they are ready. */
  readonly stays: readonly (readonly [command: string, says: string])[];
  /** Lines that are not typed: they were done for the reader. */
  readonly done: readonly string[];
  /** The `nats` command; by default a stand-in over the official client. */
  readonly nats?: string | undefined;
}

const STEP_MS = 45_000;

export class Reader {
  readonly page: Page;
  /** Where commands are typed; the package is installed there. */
  readonly home: string;
  readonly #options: ReaderOptions;
  readonly #terminals: Terminal[] = [];
  readonly #env: NodeJS.ProcessEnv;
  /** `export` lines so far: the reader types on in the same terminal. */
  readonly #exported: string[] = [];
  readonly #port: string;

  private constructor(options: ReaderOptions, port: string) {
    this.page = readPage(options.page);
    this.home = join(options.folder, options.home);
    this.#options = options;
    this.#port = port;
    const { NATS_URL: _url, MESH_DATA: _data, ...inherited } = process.env;
    const path = [join(options.folder, 'bin'), process.env['PATH'] ?? ''].join(delimiter);
    this.#env = { ...inherited, PATH: path, NO_COLOR: '1', npm_config_yes: 'false' };
  }

  /** A reader with the package installed and the page open. */
  static async open(options: ReaderOptions): Promise<Reader> {
    const reader = new Reader(options, await freePort());
    const repository = resolve('.');
    mkdirSync(join(reader.home, 'node_modules', '.bin'), { recursive: true });
    symlinkSync(repository, join(reader.home, 'node_modules', 'capmesh'));
    symlinkSync('../capmesh/bin/mesh.js', join(reader.home, 'node_modules', '.bin', 'mesh'));
    writeFileSync(join(reader.home, 'package.json'), '{"name":"hello","private":true}\n');
    const bin = join(options.folder, 'bin');
    mkdirSync(bin);
    const nats = options.nats ?? `node '${repository}/test/support/nats-command.mjs'`;
    writeFileSync(join(bin, 'nats'), `#!/bin/sh\nexec ${nats} "$@"\n`);
    chmodSync(join(bin, 'nats'), 0o755);
    return reader;
  }

  /** Go through a section as a reader would; what its commands printed. */
  async follow(section: string): Promise<string> {
    const fences = this.page.fences.filter((fence) => fence.section === section);
    if (fences.length === 0) {
      throw new Error(`${this.page.path} has no code under "${section}"`);
    }
    let said = '';
    for (const fence of fences) {
      said += await this.#step(fence);
    }
    return said;
  }

  /** Type a script into a terminal of its own; what it printed, until it ended or was ready. */
  async type(script: string): Promise<string> {
    const text = [...this.#exported, script].join('\n').replaceAll('4222', this.#port);
    const terminal = new Terminal(text, { cwd: this.home, env: this.#env });
    const stays = this.#options.stays.find(([command]) => script.includes(command));
    if (stays === undefined) {
      return await terminal.ends(STEP_MS);
    }
    this.#terminals.push(terminal);
    await terminal.shows(stays[1], STEP_MS);
    return terminal.said;
  }

  /** Ctrl-C in every terminal, the newest first. */
  async close(): Promise<void> {
    for (const terminal of this.#terminals.toReversed()) {
      await terminal.interrupt();
    }
    rmSync(this.#options.folder, { recursive: true, force: true });
  }

  async #step({ language, text, line }: Fence): Promise<string> {
    const name = /^\/\/ (\w+\.mjs)\n/.exec(text)?.[1];
    if (language === 'js' && name !== undefined) {
      writeFileSync(join(this.home, name), text);
      return '';
    }
    if (language !== 'sh') {
      throw new Error(
        `${this.page.path}:${line} it is neither sh nor js that begins with the name of its file`,
      );
    }
    const lines = text.split('\n').filter((one) => !this.#options.done.includes(one));
    const output = await this.type(lines.join('\n'));
    this.#exported.push(...lines.filter((one) => one.startsWith('export ')));
    await this.#policyInForce();
    return output;
  }

  /** A reader is slower than the mesh, which looks at the policy twice a second; a test is not. */
  async #policyInForce(): Promise<void> {
    const dir = join(this.home, '.mesh');
    if (!existsSync(dir)) {
      return; // the page has not come to it yet
    }
    const { digest } = compilePolicy(readFileSync(join(dir, 'mesh.policy.yaml'), 'utf8'), 'the policy');
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

function freePort(): Promise<string> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(String(port)));
    });
  });
}
