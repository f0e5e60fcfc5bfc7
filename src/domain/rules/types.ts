/**
 * Rules of a policy: as they are written, and as they are compiled.
 */
import type { Condition } from './condition.js';

/** What a rule does with a call that it applies to. */
export type Effect = 'allow' | 'deny' | 'hold' | 'ask';

/** Which calls a rule looks at. What is missing fits every call; all that is there must fit. */
export interface RuleMatch {
  /** Patterns of capabilities. */
  readonly capability?: readonly string[];
  /** Names of callers. */
  readonly from?: readonly string[];
  /** The caller has one of these roles. */
  readonly role?: readonly string[];
  /** Agents that would do it. */
  readonly agent?: readonly string[];
  /** Root principals of the tree that the call belongs to. */
  readonly root?: readonly string[];
  /** Intents of the call. */
  readonly intent?: readonly string[];
  /** Labels of the call: each must be there with this value. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** Whom a rule asks. */
export interface AskSource {
  /** The capability that the reviewing agent serves. */
  readonly capability?: string;
  /** `dispatch`: before anything is given out; `outcome`: before the caller is told the answer. */
  readonly before?: 'dispatch' | 'outcome';
  /** How long the answer is waited for, in ms. */
  readonly timeout?: number;
  /** What the reviewer is told, beside names and digests; default: all there is. */
  readonly send?: readonly ('args' | 'labels' | 'intent' | 'chain' | 'output')[];
}

/** A rule as it is written. */
export interface RuleSource {
  readonly name: string;
  readonly effect: Effect;
  readonly match?: RuleMatch;
  /** The condition, in CEL. */
  readonly when?: string;
  /** For people: why the rule is there. */
  readonly reason?: string;
  /** What whoever reads the decision is bound to do; the mesh writes it down. */
  readonly obligations?: Readonly<Record<string, string>>;
  /** hold: roles whose members may approve. */
  readonly approvers?: readonly string[];
  /** hold: how many of them must; default 1. */
  readonly count?: number;
  /** hold: how long it may wait for them, in ms; default: until the deadline of the call. */
  readonly expires?: number;
  /** ask: whom. */
  readonly ask?: AskSource;
  /** The owner whose file it stands in, which begins its name; missing: the mesh owner. */
  readonly owner?: string;
}

/** A compiled rule. */
export interface Rule extends RuleSource {
  /** The patterns of capabilities, at least one. */
  readonly patterns: readonly string[];
  readonly condition: Condition | undefined;
  /** It lets somebody call what no role lists: only a rule that says whom does that, so that no label opens a door. */
  readonly grants: boolean;
  /** It asks who the caller is, so it is judged for each in the chain. */
  readonly asksCaller: boolean;
  /** It asks who would do it. */
  readonly asksAgent: boolean;
}

/** What the rules say of a call. The rules named are those that mattered; `asks` are those that ask somebody first. */
export type RuleVerdict =
  | { readonly effect: 'allow'; readonly rules: readonly Rule[]; readonly asks: readonly Rule[] }
  | { readonly effect: 'deny'; readonly rule: Rule }
  /** `granting`: those that will bind it when it is approved, beside those that hold it. */
  | {
      readonly effect: 'hold';
      readonly rules: readonly Rule[];
      readonly granting: readonly Rule[];
      readonly asks: readonly Rule[];
    }
  /** A rule could not be judged. */
  | { readonly effect: 'error'; readonly rule: Rule; readonly why: string }
  /** Neither a role nor a rule lets `who` call it. */
  | { readonly effect: 'ungranted'; readonly who: string; readonly rules: readonly Rule[] };
