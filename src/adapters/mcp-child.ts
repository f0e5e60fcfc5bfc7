/**
 * The process of a stdio MCP server. It leads a group of its own, so that a signal meant for us (Ctrl-C) does not reach
 * it: it is asked to end when its work is done, and what it started ends with it.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { getDefaultEnvironment } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ReadBuffer, serializeMessage } from '@modelcontextprotocol/sdk/shared/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import { limits } from '../wire/limits.js';

/** How to start the server. */
export interface McpCommand {
  readonly command: string;
  readonly args?: readonly string[];
  readonly cwd?: string;
  /**
   * Its environment, beside HOME, LOGNAME, PATH, SHELL, TERM and USER. Nothing else is handed on: the environment of
   * an agent holds its credentials.
   */
  readonly env?: Readonly<Record<string, string>>;
  /** Hears what the server writes to stderr. */
  readonly onStderr?: (text: string) => void;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** Time for each way of asking it to end. */
const END_MS = 2_000;
const GROUPS = process.platform !== 'win32';

/** A transport of the SDK over the pipes of a child process. */
export class ChildTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #command: McpCommand;
  readonly #lines = new ReadBuffer({ maxBufferSize: limits.mcpReplyBytes });
  #child: Child | undefined;
  /** Resolves when the pipe has room again; all who wait share it. */
  #room: Promise<void> | undefined;
  #ended: Promise<void> = Promise.resolve();
  readonly #onExit = (): void => this.#signal('SIGKILL');

  constructor(command: McpCommand) {
    this.#command = command;
  }

  /** Start the process. Rejects when there is no such command. */
  start(): Promise<void> {
    const { command, args = [], cwd, env, onStderr } = this.#command;
    const child: Child = spawn(command, [...args], {
      env: { ...getDefaultEnvironment(), ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: GROUPS,
      windowsHide: true,
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.#child = child;
    process.once('exit', this.#onExit);
    this.#ended = new Promise((resolve) => {
      child.once('close', () => {
        process.off('exit', this.#onExit);
        resolve();
        this.onclose?.();
      });
    });
    child.stdin.on('error', (err) => this.onerror?.(err)); // it has ended; `close` follows
    child.stdout.on('data', (chunk: Buffer) => this.#take(chunk));
    child.stderr.on('data', (chunk: Buffer) => onStderr?.(chunk.toString()));
    return new Promise((resolve, reject) => {
      child.once('spawn', resolve);
      child.on('error', (err) => {
        reject(err);
        this.onerror?.(err);
      });
    });
  }

  /** Write a message; resolves when there is room for the next. */
  send(message: JSONRPCMessage): Promise<void> {
    const stdin = this.#child?.stdin;
    if (stdin === undefined || stdin.destroyed) {
      return Promise.reject(new Error('the process has ended'));
    }
    if (stdin.write(serializeMessage(message))) {
      return Promise.resolve();
    }
    this.#room ??= new Promise<void>((resolve) => {
      const go = (): void => {
        this.#room = undefined;
        stdin.off('drain', go).off('close', go);
        resolve();
      };
      stdin.on('drain', go).on('close', go);
    });
    return this.#room;
  }

  /** End it: its stdin first, then SIGTERM, then SIGKILL, each to whoever of its group is still there. */
  async close(): Promise<void> {
    this.#child?.stdin.end();
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      if (await this.#endsWithin(END_MS)) {
        break;
      }
      this.#signal(signal);
    }
    this.#signal('SIGTERM'); // what it started and left behind
    this.#lines.clear();
  }

  async #endsWithin(ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), ms)));
    const ended = await Promise.race([this.#ended.then(() => true), late]);
    clearTimeout(timer);
    return ended;
  }

  #signal(signal: NodeJS.Signals): void {
    const pid = this.#child?.pid;
    try {
      if (pid !== undefined) {
        process.kill(GROUPS ? -pid : pid, signal);
      }
    } catch {
      // nobody is left
    }
  }

  #take(chunk: Buffer): void {
    try {
      this.#lines.append(chunk);
    } catch (err) {
      this.onerror?.(err as Error);
      void this.close(); // a message without end
      return;
    }
    for (;;) {
      try {
        const message = this.#lines.readMessage();
        if (message === null) {
          return;
        }
        this.onmessage?.(message);
      } catch (err) {
        this.onerror?.(err as Error); // this line was no message; the next may be
      }
    }
  }
}
