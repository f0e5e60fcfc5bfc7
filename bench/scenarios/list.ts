/**
 * The scenarios, in the order in which they are played.
 */
import { flow } from './flow.js';
import { loop } from './loop.js';
import type { Scenario } from './scenario.js';

/** All of them. */
export const scenarios: readonly Scenario[] = [loop, flow];
