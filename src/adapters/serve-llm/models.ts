/**
 * The models of one client: the capabilities with the contract of chat models that its user may call. A model is called
 * by the name of its capability.
 */
import { meshError, type Found } from '../../agent/index.js';
import { limits } from '../../wire/limits.js';
import { isChat } from '../llm/contract.js';

/** What is needed to call one. */
export interface Model {
  readonly major: number;
  readonly lifeMs: number;
}

type Find = (pattern: string, options: { after?: string }) => Promise<Found>;

/** Looks them up. */
export class Models {
  readonly #find: Find;
  #known: ReadonlyMap<string, Model> = new Map();
  #reading: Promise<void> | undefined;

  constructor(find: Find) {
    this.#find = find;
  }

  /** All of now, in the form of the protocol. */
  async list(): Promise<object> {
    await this.#refresh();
    return { object: 'list', data: [...this.#known.keys()].map(modelRow) };
  }

  /** One of now. Throws not_found. */
  async one(name: string): Promise<object> {
    await this.#refresh();
    if (!this.#known.has(name)) {
      throw meshError('not_found', { what: 'the model', name: JSON.stringify(name.slice(0, 80)) });
    }
    return modelRow(name);
  }

  /** What is known of a model; nothing when its user may not call it, or nobody offers it. */
  async known(name: string): Promise<Model | undefined> {
    if (!this.#known.has(name)) {
      await this.#refresh().catch(() => undefined); // the call itself will say what is wrong
    }
    return this.#known.get(name);
  }

  /** Whoever asks meanwhile gets the same answer. */
  #refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async #read(): Promise<void> {
    const models = new Map<string, Model>();
    let after: string | undefined;
    for (let seen = 0; seen < limits.mcpTools;) {
      const page = await this.#find('>', after === undefined ? {} : { after });
      for (const { name, majors } of page.capabilities) {
        const [newest] = majors;
        if (newest !== undefined && isChat(newest.output)) {
          models.set(name, { major: newest.major, lifeMs: newest.lifeMs });
        }
      }
      seen += page.capabilities.length;
      after = page.capabilities.at(-1)?.name;
      if (page.truncated !== true || after === undefined) {
        break;
      }
    }
    this.#known = models;
  }
}

function modelRow(id: string): object {
  return { id, object: 'model', created: 0, owned_by: 'mesh' };
}
