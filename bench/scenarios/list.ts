/**
 * The scenarios, in the order in which they are played.
 */
import { chain } from './chain.js';
import { flow } from './flow.js';
import { loop } from './loop.js';
import type { Scenario } from './scenario.js';
import { swap } from './swap.js';

/** All of them. */
export const scenarios: readonly Scenario[] = [swap, chain, loop, flow];
