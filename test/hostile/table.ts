/**
 * All attacks, by what they are about.
 */
import type { Attack } from './attack.js';
import { names } from './attacks/names.js';
import { streams } from './attacks/streams.js';

export const attacks: readonly Attack[] = [...names, ...streams];
