/**
 * All attacks, by what they are about.
 */
import type { Attack } from './attack.js';
import { names } from './attacks/names.js';
import { calls } from './attacks/calls.js';
import { grants } from './attacks/grants.js';
import { inputs } from './attacks/inputs.js';
import { tasks } from './attacks/tasks.js';
import { replies } from './attacks/replies.js';
import { streams } from './attacks/streams.js';

export const attacks: readonly Attack[] = [...names, ...streams, ...replies, ...calls, ...inputs, ...tasks, ...grants];
