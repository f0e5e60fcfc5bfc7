/**
 * A reader of a page: writes its files, types its commands, in its order. Only two things differ from what a person
 * does: npm installs nothing (the repository is linked), and the port is a free one.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { readPage, type Fence, type Page } from './markdown.js';
import { Terminal } from './terminal.js';

/** A command that stays, and what it says when it is ready. */
export type Stays = readonly [command: string, says: string];

const STEP_MS = 60_000;
/** The port that pages name. */
const PORT = '4222';

export class Reader {
  readonly folder = mkdtempSync(join(tmpdir(), 'capmesh-page-'));
  readonly #env: NodeJS.ProcessEnv;
  readonly #stays: readonly Stays[];
  readonly #open: { readonly command: string; readonly terminal: Terminal }[] = [];
  readonly #port: string;

  private constructor(stays: readonly Stays[], port: string) {
    this.#stays = stays;
    this.#port = port;
    mkdirSync(join(this.folder, 'node_modules', '.bin'), { recursive: true });
    symlinkSync(resolve('.'), join(this.folder, 'node_modules', 'capmesh'));
    symlinkSync('../capmesh/bin/mesh.js', join(this.folder, 'node_modules', '.bin', 'mesh'));
    writeFileSync(join(this.folder, 'package.json'), '{"name":"page","private":true}\n');
    const own = Object.entries(process.env).filter(([name]) => !/^(MESH|NATS)_/.test(name));
    this.#env = { ...Object.fromEntries(own), NO_COLOR: '1', npm_config_yes: 'false' };
  }

  /** Somebody in an empty folder. */
  static async sitDown(stays: readonly Stays[] = []): Promise<Reader> {
    return new Reader(stays, await freePort());
  }

  /** Go through the sections of a page, or through all of it; what its commands printed, by section. */
  async follow(path: string, sections?: readonly string[]): Promise<Map<string, string>> {
    const page: Page = readPage(path);
    const said = new Map<string, string>();
    for (const fence of page.fences) {
      if (sections === undefined || sections.includes(fence.section)) {
        said.set(fence.section, (said.get(fence.section) ?? '') + (await this.#step(fence)));
      }
    }
    return said;
  }

  /** Type a script; what it printed, until it ended or is ready. */
  async type(script: string): Promise<string> {
    const text = script.replaceAll(PORT, this.#port);
    const terminal = new Terminal(text, { cwd: this.folder, env: this.#env });
    const stays = this.#stays.find(([command]) => script.includes(command));
    if (stays === undefined) {
      return await terminal.ends(STEP_MS);
    }
    this.#open.push({ command: stays[0], terminal });
    await terminal.shows(stays[1], STEP_MS);
    return terminal.said;
  }

  /** Ctrl-C for the command that stays. */
  async interrupt(command: string): Promise<void> {
    await this.#open.find((one) => one.command === command)?.terminal.interrupt();
  }

  /** Stop everything and remove the folder. */
  async leave(): Promise<void> {
    for (const { terminal } of this.#open.toReversed()) {
      await terminal.interrupt();
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Files have their name in a comment on their first line. */
  async #step({ language, text }: Fence): Promise<string> {
    const name = /^(?:\/\/|#) ([\w.]+\.(?:mjs|yaml))\n/.exec(text)?.[1];
    if (language === 'sh') {
      return await this.type(text);
    }
    if (name !== undefined) {
      writeFileSync(join(this.folder, name), text.replaceAll(PORT, this.#port));
    }
    return '';
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
