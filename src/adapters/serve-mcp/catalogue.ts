/**
 * The tools of one MCP client: what its mesh user may call, read from the mesh again and again while somebody listens.
 */
import { ErrorCode, McpError, type Tool } from '@modelcontextprotocol/sdk/types.js';
import { type Found, type FindOptions } from '../../agent/index.js';
import { limits } from '../../wire/limits.js';
import { isCapability } from '../../wire/names.js';
import { protocolError } from './results.js';
import { offer, type Offered } from './tools.js';
import type { NameStyle } from './names.js';

/** Asks the mesh what there is for this client's user. */
export type Finder = (pattern: string, options: FindOptions) => Promise<Found>;

/** One page of the list, as MCP has it. */
export interface ToolPage {
  [key: string]: unknown;
  tools: Tool[];
  nextCursor?: string;
}

/** The list, and who is told when it changes. */
export class Catalogue {
  readonly #find: Finder;
  readonly #style: NameStyle;
  readonly #say: (sentence: string) => void;
  readonly #listeners = new Set<() => void>();
  #offers = new Map<string, Offered>();
  #revision: string | undefined;
  #shown = '';
  #reading: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(find: Finder, style: NameStyle, say: (sentence: string) => void) {
    this.#find = find;
    this.#style = style;
    this.#say = say;
  }

  /**
   * A page of the tools of now; while control is away, of those it told last. The cursor is the last capability of
   * the page before. Throws McpError.
   */
  async page(cursor?: string): Promise<ToolPage> {
    if (cursor !== undefined && !isCapability(cursor)) {
      throw new McpError(ErrorCode.InvalidParams, 'the cursor is none that this server gave');
    }
    await this.refresh().catch((err: unknown) => {
      if (this.#revision === undefined) {
        throw protocolError(err, 'tools/list');
      }
    });
    const tools: Tool[] = [];
    let left: number = limits.mcpListBytes;
    let last = '';
    for (const { tool, capability } of this.#offers.values()) {
      if (capability > (cursor ?? '')) {
        left -= Buffer.byteLength(JSON.stringify(tool));
        if (left < 0 && tools.length > 0) {
          return { tools, nextCursor: last };
        }
        tools.push(tool);
        last = capability;
      }
    }
    return { tools };
  }

  /** What is known of a capability; nothing when its user may not call it, or nobody offers it. */
  async offered(capability: string): Promise<Offered | undefined> {
    if (this.#revision === undefined) {
      await this.refresh().catch(() => undefined); // the call itself will say what is wrong
    }
    return this.#offers.get(capability);
  }

  /** Hear of changes. Returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#timer ??= setInterval(() => void this.refresh().catch(() => undefined), limits.mcpPollMs);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
    };
  }

  /** Look now. Whoever asks meanwhile gets the same answer. */
  refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async #read(): Promise<void> {
    const known = this.#revision === undefined ? {} : { known: this.#revision };
    const first = await this.#find('>', known);
    if (first.unchanged === true) {
      return;
    }
    const all = await this.#readOn(first);
    const offers = all.flatMap((one) => offer(one, this.#style) ?? []);
    this.#offers = new Map(offers.slice(0, limits.mcpTools).map((one) => [one.capability, one]));
    this.#complain(all.length, offers.length);
    this.#revision = first.revision;
    const shown = JSON.stringify([...this.#offers.values()].map(({ tool }) => tool));
    const before = this.#shown;
    this.#shown = shown;
    if (before !== '' && before !== shown) {
      this.#listeners.forEach((listener) => listener());
    }
  }

  /** The rest of a reply that was cut, as far as tools are shown. */
  async #readOn(first: Found): Promise<Found['capabilities']> {
    const all = [...first.capabilities];
    let page = first;
    for (;;) {
      const last = page.capabilities.at(-1)?.name;
      if (page.truncated !== true || last === undefined || all.length > limits.mcpTools) {
        return all;
      }
      page = await this.#find('>', { after: last });
      all.push(...page.capabilities);
    }
  }

  #complain(capabilities: number, tools: number): void {
    if (tools > limits.mcpTools) {
      this.#say(`more than ${limits.mcpTools} capabilities: the others are not shown as tools, grant fewer`);
    } else if (tools < capabilities) {
      this.#say(`${capabilities - tools} capabilities have names too long for tools and are not shown`);
    }
  }
}
