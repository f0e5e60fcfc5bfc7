/**
 * The stages: parts of the chain that processes of their own can prove. Which guards a stage has is said beside the
 * chain itself (`src/chain/chain.ts`).
 */

/** The stages, in the order of the chain. An interceptor is a user of the broker that has the name of its stage. */
export const STAGES = ['authority', 'policy'] as const;

/** Name of a stage. */
export type Stage = (typeof STAGES)[number];

/** True for the name of a stage. */
export function isStage(value: unknown): value is Stage {
  return STAGES.includes(value as Stage);
}
