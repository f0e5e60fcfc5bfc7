/**
 * Words for why a call went where it went.
 */
import { explain, type Explained, type Told } from '../../domain/routing/explain.js';
import type { Routed } from '../../domain/routing/chosen.js';
import { safe } from '../output.js';

const WHY: Readonly<Record<Routed['why'], string>> = {
  first: 'of the best',
  full: 'because better ones could take nothing',
  probe: 'to see how it does now',
};

/** What it was chosen by, and why it was this one. */
export function reasonOf({ by, why, of, floor, asked, difficulty, place }: Routed): string {
  const wishes = [
    ...(difficulty === undefined ? [] : [`a ${difficulty} call`]),
    ...(asked === undefined ? [] : [`the call asked for ${safe(asked)}`]),
    ...(place === undefined ? [] : [`from ${safe(place)}`]),
    ...(floor === undefined ? [] : [`success of at least ${Math.round(floor * 1000) / 10} %`]),
  ];
  const told = wishes.length === 0 ? '' : ` (${wishes.join('; ')})`;
  return `chosen by ${by}${told} ${WHY[why]}, out of ${of}.`;
}

/** Whether a cheaper, a safer and a faster one existed. */
export function verdictsOf({ chosen, cheaper, safer, faster }: Explained): string[] {
  const micros = (one: Told): string => `${one.micros} micro-USD`;
  const success = (one: Told): string =>
    one.success === undefined ? '-' : `${(one.success * 100).toFixed(1)} %`;
  const ms = (one: Told): string => (one.ms === undefined ? '-' : `${one.ms} ms`);
  return [
    verdict('cheaper', chosen, cheaper, micros),
    verdict('safer', chosen, safer, success),
    verdict('faster', chosen, faster, ms),
  ];
}

function verdict(word: string, chosen: Told, one: Told | undefined, of: (one: Told) => string): string {
  if (one === undefined) {
    return `No ${word} one was known.`;
  }
  const free = one.away === true ? 'but could take nothing then' : 'and was free';
  return `A ${word} one existed: ${safe(one.agent)} (${of(one)} instead of ${of(chosen)}), ${free}.`;
}

/** The lines of a trace: of the asked call. */
export function routedLines(routed: Routed | undefined, agent: string): string[] {
  return routed === undefined
    ? []
    : [
        '',
        `Route: ${safe(agent)}, ${reasonOf(routed)}`,
        ...verdictsOf(explain(routed)).map((line) => `  ${line}`),
      ];
}
