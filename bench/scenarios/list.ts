/**
 * The scenarios, in the order in which they are played.
 */
import { flow } from './flow.js';
import { loop } from './loop.js';
import { price } from './price.js';
import type { Scenario } from './scenario.js';
import { swap } from './swap.js';

/** All of them. */
export const scenarios: readonly Scenario[] = [swap, price, loop, flow];
