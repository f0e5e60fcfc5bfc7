/**
 * What rules may know of a call.
 */

/** The agent that would do the call, as its card tells of it. */
export interface RuleAgent {
  readonly name: string;
  readonly version: string;
  readonly proficiency: string;
  readonly costMicros: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly readOnly: boolean;
  readonly idempotent: boolean;
}

/** What rules may know of a call. */
export interface RuleCall {
  readonly from: string;
  readonly capability: string;
  /** Root principal first, then `agent/capability` of each task that led here. */
  readonly chain: readonly string[];
  /** The decoded body; undefined when the gateway does not have it in hand (raw bytes, or by reference). */
  readonly args: unknown;
  readonly bodyBytes: number;
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly intent: string | undefined;
  readonly nowMs: number;
  readonly agent: RuleAgent;
  /** It is a review itself: nobody is asked about it. */
  readonly review?: boolean;
}
