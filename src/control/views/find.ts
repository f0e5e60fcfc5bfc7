/**
 * Find: which capabilities there are, told only to those who may call them.
 */
import { createHash } from 'node:crypto';
import type { Offer } from '../../domain/card.js';
import type { Entry } from '../../domain/registry.js';
import type { Find, Found } from '../../wire/generated/messages.js';
import { meshError } from '../../wire/errors.js';
import { isPattern, type Token } from '../../wire/names.js';
import type { Control } from '../core.js';
import { fit, mark } from './bounds.js';

/** Offers shown of one major: a capability that everybody offers must still fit into a reply. */
const OFFERS_MAX = 500;

type MajorRow = Found['capabilities'][number]['majors'][number];

/** Capabilities that match the pattern and that the asker may call. Throws name_invalid. */
export function find(control: Control, from: string, asked: Find): Found {
  const { pattern, major, after = '', known } = asked;
  if (!isPattern(pattern)) {
    throw meshError('name_invalid', { value: JSON.stringify(pattern.slice(0, 80)), where: 'pattern' });
  }
  const revision = revisionOf(control, from, asked);
  if (known === revision) {
    return { revision, unchanged: true, capabilities: [] };
  }
  const found = new Map<string, MajorRow[]>();
  let long = false;
  for (const entry of control.registry.search(pattern)) {
    const wanted = (major === undefined || entry.major === major) && entry.name > after;
    const offers = wanted ? offersFor(entry, asked) : [];
    if (offers.length > 0 && control.policy.mayCall(from, entry.name)) {
      const rows = found.get(entry.name) ?? [];
      found.set(entry.name, [...rows, rowOf(control, entry, offers)]);
      long ||= offers.length > OFFERS_MAX;
    }
  }
  const sorted = [...found]
    .map(([name, majors]) => ({ name, majors: majors.sort((a, b) => b.major - a.major) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const { rows, cut } = fit(sorted);
  return { revision, capabilities: rows, ...mark(cut || long) };
}

/** Any control process gives the same one for the same question, cards and policy. */
function revisionOf({ registry, policy }: Control, from: string, asked: Find): string {
  const { pattern, major, after, proficiency, attributes } = asked;
  const parts = [registry.digest, policy.digest, from, pattern, major, after, proficiency, attributes];
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 22);
}

const SKILLS = ['novice', 'competent', 'expert'];

/** The offers that are good enough and have the attributes. */
function offersFor(entry: Entry, { proficiency, attributes = {} }: Find): [Token, Offer][] {
  const least = proficiency === undefined ? 0 : SKILLS.indexOf(proficiency);
  const facts = Object.entries(attributes);
  return [...entry.offers].filter(
    ([, offer]) =>
      SKILLS.indexOf(offer.proficiency) >= least &&
      facts.every(([key, value]) => Object.hasOwn(offer.attributes, key) && offer.attributes[key] === value),
  );
}

function rowOf(control: Control, entry: Entry, fitting: readonly [Token, Offer][]): MajorRow {
  const offers = fitting.map(([agent, offer]) => ({
    agent,
    version: `${offer.major}.${offer.minor}`,
    proficiency: offer.proficiency,
    costMicros: offer.costMicros,
    attributes: offer.attributes,
    instances: control.roster.of(agent).length,
  }));
  const spoken = spokenOf(entry);
  return {
    major: entry.major,
    description: spoken?.description ?? '',
    input: (spoken?.input ?? true) as MajorRow['input'],
    output: (spoken?.output ?? true) as MajorRow['output'],
    idempotent: entry.idempotent,
    readOnly: [...entry.offers.values()].every((offer) => offer.readOnly),
    lifeMs: entry.lifeMs,
    offers: offers.slice(0, OFFERS_MAX),
    instances: offers.reduce((sum, one) => sum + one.instances, 0),
  };
}

/** The offer whose words stand for all: the newest minor under the contract in force. */
function spokenOf(entry: Entry): Offer | undefined {
  const offers = [...entry.offers.values()].sort((a, b) => b.minor - a.minor);
  return offers.find((offer) => offer.contract === entry.contract) ?? offers[0];
}
