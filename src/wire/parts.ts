/**
 * The header Mesh-Parts: what a caller wants to hear of a call before its outcome.
 */
import { limits } from './limits.js';

/** What the caller takes. */
export interface PartsWish {
  /** Partial outputs on their way at once. */
  readonly window: number;
  /** It answers questions. */
  readonly questions: boolean;
}

const PARTS = /^([1-9][0-9]{0,3})( questions)?$/;

/** Read the header; undefined when it is not one. */
export function readParts(text: string): PartsWish | undefined {
  const [, window, questions] = PARTS.exec(text) ?? [];
  return window === undefined || Number(window) > limits.partWindowMax
    ? undefined
    : { window: Number(window), questions: questions !== undefined };
}

/** Write the header. */
export function partsText({ window, questions }: PartsWish): string {
  return `${window}${questions ? ' questions' : ''}`;
}
