/**
 * A policy as data: what was read from its file, checked and merged. It is what control stores for gateways, as JSON,
 * so that they neither read YAML nor look at files.
 */
import type { BreakerSource } from './care/breaker-rules.js';
import type { LoopSource } from './care/loops.js';
import type { RetrySource } from './care/retries.js';
import type { BudgetSource } from './budget/compile.js';
import type { PriceSource } from './budget/prices.js';
import type { LimitData } from './rate/limits.js';
import type { RouteData } from './routing/route.js';
import type { RuleSource } from './rules/types.js';

/** A role: patterns of capabilities. */
export interface RoleData {
  readonly call?: readonly string[];
  readonly serve?: readonly string[];
  readonly mayRoot?: boolean;
  /** The owner whose file defines it; missing: the mesh owner. */
  readonly owner?: string;
  /** Patterns of the capabilities that `mayRoot` is bound to; missing: all. */
  readonly within?: readonly string[];
}

/** Roles whose members may say critical, and those whose members are experimental at most. */
export interface PrioritiesData {
  readonly critical?: readonly string[];
  readonly experimental?: readonly string[];
}

/** All that a policy says. */
export interface PolicyData {
  readonly roles?: Readonly<Record<string, RoleData>>;
  readonly members?: Readonly<Record<string, readonly string[]>>;
  readonly routing?: Readonly<Record<string, RouteData>>;
  readonly issuers?: Readonly<Record<string, string>>;
  readonly loops?: Readonly<Record<string, LoopSource>>;
  readonly breakers?: Readonly<Record<string, BreakerSource>>;
  readonly retries?: Readonly<Record<string, RetrySource>>;
  readonly budgets?: BudgetSource;
  readonly prices?: PriceSource;
  /** Agents whose usage counts as measured. */
  readonly meters?: readonly string[];
  readonly rules?: readonly RuleSource[];
  readonly priorities?: PrioritiesData;
  readonly rates?: Readonly<Record<string, LimitData>>;
}
