/**
 * What `nats micro ls|info|stats` asks for (ADR-32), answered by control for every live instance, whatever it was
 * written in. Agents have no right on `$SRV`: an answer there carries its name in the body, so whoever may answer may
 * answer as anybody, would need a right on the asker's inbox, and would hear what a client makes the server send to
 * everybody. Numbers come from the instances, each on a subject that only its agent may speak on.
 */
import { compileOurs } from '../domain/validator.js';
import type { Msg } from '../fabric/connection.js';
import { rawHeaders } from '../fabric/raw.js';
import type { Stats } from '../wire/generated/messages.js';
import { schemas } from '../wire/generated/schemas.js';
import { parse, pattern, subject } from '../wire/generated/subjects.js';
import { encodeHeaders, header } from '../wire/headers.js';
import { decodeJson } from '../wire/json.js';
import { limits } from '../wire/limits.js';
import type { Token } from '../wire/names.js';
import { saidBy, type Control } from './core.js';
import { infoOf, pingOf, statsOf, type Service, type Verb } from './micro-pages.js';

const REQUEST = /^\$SRV\.(PING|INFO|STATS)(?:\.([\w-]+))?(?:\.([\w-]+))?$/;
const STATS_BYTES = 262_144;
const fitsStats = compileOurs(schemas.stats);

/** Somebody waits for the numbers of an instance. */
interface Asked {
  readonly service: Service;
  readonly replies: Set<string>;
  readonly timer: NodeJS.Timeout;
}

/** Serve `$SRV`. Returns how to stop. */
export function serveMicro(control: Control): () => void {
  const micro = new Micro(control);
  const subs = [
    control.nc.subscribe('$SRV.>', {
      queue: 'control',
      callback: (err, msg) => (err === null ? micro.request(msg) : undefined),
    }),
    control.nc.subscribe(pattern.stats, {
      callback: (err, msg) => (err === null ? micro.told(msg) : undefined),
    }),
  ];
  return () => {
    subs.forEach((sub) => sub.unsubscribe());
    micro.close();
  };
}

class Micro {
  readonly #control: Control;
  readonly #asked = new Map<string, Asked>();

  constructor(control: Control) {
    this.#control = control;
  }

  /** Answer below an inbox only: any other reply subject would make control speak with its own rights. */
  request(msg: Msg): void {
    const [, verb, agent, id] = REQUEST.exec(msg.subject) ?? [];
    if (verb === undefined || msg.reply?.startsWith('_INBOX.') !== true) {
      return;
    }
    for (const service of this.#services(agent, id)) {
      this.#answer(verb as Verb, service, msg.reply);
    }
  }

  /** An instance told its numbers. Unasked they are not even read. */
  told(msg: Msg): void {
    const p = parse.stats(msg.subject);
    const asked = p === undefined ? undefined : this.#asked.get(`${p.agent}.${p.instance}`);
    if (asked !== undefined && saidBy(msg, p?.instance)) {
      this.#give(asked, readStats(msg.data));
    }
  }

  close(): void {
    this.#asked.forEach(({ timer }) => clearTimeout(timer));
    this.#asked.clear();
  }

  /** Live instances, of all agents or of one; at most `serviceRows`. */
  #services(agent: string | undefined, id: string | undefined): Service[] {
    const { registry, roster } = this.#control;
    const found: Service[] = [];
    for (const registered of registry.agents()) {
      if (agent === undefined || registered.agent === agent) {
        for (const instance of roster.of(registered.agent)) {
          if ((id === undefined || instance.id === id) && found.length < limits.serviceRows) {
            found.push({ registered, instance });
          }
        }
      }
    }
    return found;
  }

  #answer(verb: Verb, service: Service, reply: string): void {
    if (verb === 'STATS') {
      this.#measure(service, reply);
    } else {
      this.#say(reply, verb === 'PING' ? pingOf(service) : infoOf(service));
    }
  }

  #measure(service: Service, reply: string): void {
    const { agent, id } = service.instance;
    const key = `${agent}.${id}`;
    const known = this.#asked.get(key);
    if (known !== undefined) {
      known.replies.add(reply);
      return;
    }
    const timer = setTimeout(() => this.#give(asked, undefined), limits.measureMs);
    const asked: Asked = { service, replies: new Set([reply]), timer };
    this.#asked.set(key, asked);
    const headers = rawHeaders(encodeHeaders([[header.instance, this.#control.id as Token]]));
    this.#control.nc.publish(subject.measure({ agent, instance: id }), '', { headers });
  }

  #give({ service, replies, timer }: Asked, stats: Stats | undefined): void {
    clearTimeout(timer);
    this.#asked.delete(`${service.instance.agent}.${service.instance.id}`);
    const page = statsOf(service, stats);
    replies.forEach((reply) => this.#say(reply, page));
  }

  #say(reply: string, page: object): void {
    if (!this.#control.nc.isClosed()) {
      this.#control.nc.publish(reply, JSON.stringify(page));
    }
  }
}

/** The numbers, or undefined when they cannot be read: then the instance is shown without. */
function readStats(data: Uint8Array): Stats | undefined {
  try {
    const value = decodeJson(data, STATS_BYTES);
    return fitsStats(value) === undefined ? (value as unknown as Stats) : undefined;
  } catch {
    return undefined;
  }
}
