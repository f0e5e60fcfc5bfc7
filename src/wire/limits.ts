/**
 * Every bound of the mesh in one place: the folder `limits` has them by area with value, unit and reason, this file makes
 * one table of them. Nothing grows without one. Streams and buckets have theirs in `subjects/streams.ts`.
 */
import { bodyLimits } from './limits/body.js';
import { budgetLimits } from './limits/budget.js';
import { careLimits } from './limits/care.js';
import { formLimits } from './limits/form.js';
import { gatewayLimits } from './limits/gateway.js';
import { grantLimits } from './limits/grant.js';
import { identityLimits } from './limits/identity.js';
import { lifeLimits } from './limits/life.js';
import { llmLimits } from './limits/llm.js';
import { mcpLimits } from './limits/mcp.js';
import { purseLimits } from './limits/purse.js';
import { rateLimits } from './limits/rate.js';
import { registryLimits } from './limits/registry.js';
import { routeLimits } from './limits/route.js';
import { ruleLimits } from './limits/rule.js';
import { sdkLimits } from './limits/sdk.js';
import { sightLimits } from './limits/sight.js';
import { splitLimits } from './limits/split.js';

/** The table: value, unit and reason of each bound. */
export const limitTable = {
  ...formLimits,
  ...lifeLimits,
  ...gatewayLimits,
  ...sdkLimits,
  ...registryLimits,
  ...sightLimits,
  ...careLimits,
  ...llmLimits,
  ...mcpLimits,
  ...grantLimits,
  ...splitLimits,
  ...bodyLimits,
  ...purseLimits,
  ...budgetLimits,
  ...routeLimits,
  ...ruleLimits,
  ...rateLimits,
  ...identityLimits,
} as const satisfies Record<string, { value: number; unit: string; reason: string }>;

/** Name of a bound. */
export type LimitName = keyof typeof limitTable;

/** The bounds as plain numbers, for code. `setLimits` may change a few of them before a process begins its work. */
export const limits: Readonly<Record<LimitName, number>> = Object.fromEntries(
  Object.entries(limitTable).map(([k, v]) => [k, v.value]),
) as Record<LimitName, number>;
