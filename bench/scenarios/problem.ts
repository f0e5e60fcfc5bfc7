/**
 * Problems of known difficulty: lists of numbers that are to be added up.
 */

/** How hard a problem really is, by the length of its list. */
export const SIZES = { easy: 4, normal: 16, hard: 64 } as const;

/** How hard. */
export type Difficulty = keyof typeof SIZES;

/** What is asked. */
export interface Problem {
  readonly id: number;
  readonly numbers: readonly number[];
}

/** How hard it is, for those who know. */
export function difficultyOf({ numbers }: Problem): Difficulty {
  return numbers.length <= SIZES.easy ? 'easy' : numbers.length <= SIZES.normal ? 'normal' : 'hard';
}
