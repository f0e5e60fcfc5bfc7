/**
 * Views of agents: who is registered and which of their instances are alive.
 */
import type { Registered } from '../../domain/registry.js';
import type { Token } from '../../wire/names.js';
import type { View } from '../../wire/generated/messages.js';
import { meshError } from '../../wire/errors.js';
import type { Control } from '../core.js';
import { fit, mark } from './bounds.js';
import type { AgentPage, AgentRow, AgentsPage, InstanceRow } from './pages.js';

/** Every agent in short, by name. */
export function viewAgents(control: Control, { agent, limit }: View): AgentsPage {
  const wanted = [...control.registry.agents()].filter((one) => agent === undefined || one.agent === agent);
  const all = wanted.sort((a, b) => (a.agent < b.agent ? -1 : 1));
  const { rows, cut } = fit(all.slice(0, limit).map((one) => rowOf(control, one)));
  return { agents: rows, ...mark(cut) };
}

/** One agent in full. Throws not_found. */
export function viewAgent(control: Control, { agent = '' }: View): AgentPage {
  const registered = control.registry.agent(agent as Token);
  if (registered === undefined) {
    throw meshError('not_found', { what: 'the agent', name: agent });
  }
  const { card, digest } = registered;
  const { rows, cut } = fit(instancesOf(control, registered.agent), 500_000);
  return { agent, plain: card.plain === true, digest, card, instances: rows, ...mark(cut) };
}

function rowOf(control: Control, { agent, card, digest, offers }: Registered): AgentRow {
  return {
    agent,
    plain: card.plain === true,
    digest,
    description: card.description ?? '',
    capabilities: offers.map(({ name, major, minor }) => ({ name, version: `${major}.${minor}` })),
    instances: instancesOf(control, agent),
  };
}

function instancesOf(control: Control, agent: Token): InstanceRow[] {
  return control.roster.of(agent).map(({ id, draining, reported, concurrency, lastBeatMs }) => ({
    instance: id,
    state: draining ? 'draining' : 'ready',
    inFlight: reported,
    concurrency,
    seenAt: lastBeatMs,
  }));
}
