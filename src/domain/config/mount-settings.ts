/**
 * The settings of what is mounted as an agent; they are part of the table in `settings.ts`.
 */
import { limitTable } from '../../wire/limits.js';
import { whole } from './shape.js';

/** By key. */
export const mountSettings = {
  'mount.concurrency': {
    shape: whole(1, 65_535),
    flag: '--concurrency <n>',
    what: 'tasks at once of a mounted server',
    otherwise: limitTable.concurrencyDefault.value,
  },
  'mount.restarts': {
    shape: whole(0, 1_000_000),
    flag: '--restarts <n>',
    what: 'ends in a row before a mount gives up',
    otherwise: '5, over HTTP 30',
  },
  'mount.maxTokens': {
    shape: whole(1, limitTable.llmTokensMax.value),
    flag: '--max-tokens <n>',
    what: 'tokens at most in an answer of a mounted model',
    otherwise: limitTable.llmTokens.value,
  },
  'mount.finishMs': {
    shape: whole(0, 600_000, 'ms'),
    flag: '--finish <ms>',
    what: 'a cancelled call of a mounted model reads on this long for its usage',
    otherwise: limitTable.llmFinishMs.value,
  },
} as const;
