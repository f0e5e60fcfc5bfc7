/**
 * The variables of a condition. Each is made when a condition reads it, and at most once for a call.
 */
import { Environment } from '@marcbachmann/cel-js';
import { limits } from '../../wire/limits.js';
import type { RuleCall } from './call.js';

/** `caller`: who is judged. */
export class CallerFacts {
  constructor(
    readonly name: string,
    readonly roles: readonly string[],
    /** The owner whose rules see these roles. */
    readonly seenBy?: string,
  ) {}
}

/** `agent`: who would do it. */
class AgentFacts {
  readonly name: string;
  readonly version: string;
  readonly proficiency: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly readOnly: boolean;
  readonly idempotent: boolean;

  constructor({ agent }: RuleCall) {
    this.name = agent.name;
    this.version = agent.version;
    this.proficiency = agent.proficiency;
    this.attributes = agent.attributes;
    this.readOnly = agent.readOnly;
    this.idempotent = agent.idempotent;
  }
}

const NONE: Readonly<Record<string, string>> = Object.freeze({});

/** The variables of one call, as the conditions read them. A variable that is undefined is missing: an error. */
export class Facts {
  /** Exchanged while each in the chain is judged. */
  caller: CallerFacts;
  readonly #call: RuleCall;
  #now: Date | undefined;
  #agent: AgentFacts | undefined;

  constructor(call: RuleCall, caller: CallerFacts) {
    this.#call = call;
    this.caller = caller;
  }

  get args(): unknown {
    return this.#call.args;
  }

  get capability(): string {
    return this.#call.capability;
  }

  get chain(): readonly string[] {
    return this.#call.chain;
  }

  get root(): string | undefined {
    return this.#call.chain[0];
  }

  get labels(): Readonly<Record<string, string>> {
    return this.#call.labels ?? NONE;
  }

  get intent(): string {
    return this.#call.intent ?? '';
  }

  get cost(): bigint {
    return BigInt(this.#call.agent.costMicros);
  }

  get risk(): unknown {
    return this.#call.agent.attributes['risk'];
  }

  get now(): Date {
    return (this.#now ??= new Date(this.#call.nowMs));
  }

  get agent(): AgentFacts {
    return (this.#agent ??= new AgentFacts(this.#call));
  }
}

/** Name, CEL type and meaning of each variable; the documentation is held against it. */
export const variables = {
  caller: ['Caller', 'who calls: caller.name, caller.roles'],
  chain: ['list<string>', 'the root principal, then agent/capability of each task that led here'],
  root: ['string', 'name of the root principal'],
  capability: ['string', 'name of the capability'],
  args: ['dyn', 'the body of the call; numbers are doubles; missing when it is raw bytes or by reference'],
  labels: ['map<string, string>', 'labels of the call'],
  intent: ['string', 'intent of the call, or ""'],
  cost: ['int', 'cost of the call in micros, from the card'],
  risk: ['dyn', 'attribute risk of the card; missing when the card has none'],
  now: ['google.protobuf.Timestamp', 'when the call is judged'],
  agent: [
    'Agent',
    'who would do it: agent.name, .version, .proficiency, .readOnly, .idempotent, .attributes (from the card)',
  ],
} as const satisfies Record<string, readonly [type: string, meaning: string]>;

/** Does the condition know this name? */
export function isVariable(name: string): boolean {
  return Object.hasOwn(variables, name);
}

/** The language of conditions; `matches` is the linear-time stand-in for patterns. */
export function environment(linear: (text: string, pattern: string) => boolean): Environment {
  const env = new Environment({ limits: { maxAstNodes: limits.ruleNodes, maxDepth: limits.ruleDepth } })
    .registerType('Caller', { ctor: CallerFacts, fields: { name: 'string', roles: 'list<string>' } })
    .registerType('Agent', {
      ctor: AgentFacts,
      fields: {
        name: 'string',
        version: 'string',
        proficiency: 'string',
        attributes: 'map<string, dyn>',
        readOnly: 'bool',
        idempotent: 'bool',
      },
    })
    .registerFunction('string.matchesLinear(string): bool', linear);
  for (const [name, [type]] of Object.entries(variables)) {
    env.registerVariable(name, type);
  }
  return env;
}
