/**
 * The shape of `mesh.yaml`: the table of settings by section, and the limits.
 */
import { limitTable, type LimitName } from '../../wire/limits.js';
import { settable } from '../../wire/settable.js';
import { settings, type Setting } from './settings.js';
import type { Field, Fields, Keys, Shape, Whole } from './shape.js';

/** The settable limits, each as a shape. */
export const limitShapes: Readonly<Record<string, Whole>> = Object.fromEntries(
  Object.entries(settable).map(([name, [min, max]]): [string, Whole] => {
    const { unit } = limitTable[name as LimitName];
    return [name, { is: 'whole', min, max, ...(unit === 'ms' ? { unit } : {}) }];
  }),
);

const sections: Readonly<Record<string, string>> = {
  server: 'The server, and who we are to it.',
  users: 'Names with credentials in the data folder, for the commands that act as them.',
  call: 'Defaults of calls.',
  mount: 'Defaults of mesh mount.',
  serve: 'Defaults of mesh serve mcp.',
  views: 'Defaults of listings.',
  log: 'Logs of gateways and control.',
  metrics:
    'The page of metrics of gateways and control; each process of mesh up has a port of its own, counted on.',
  trace: 'Traces of gateways and control.',
};

/** The shape of `mesh.yaml`. */
export const configShape: Keys = { is: 'keys', fields: { ...settingFields(), limits: limitsField() } };

function settingFields(): Fields {
  const fields: Record<string, Field> = {};
  const inner: Record<string, Record<string, Field>> = {};
  for (const [key, setting] of Object.entries(settings) as [string, Setting][]) {
    const [section = '', name] = key.split('.');
    if (name === undefined) {
      fields[section] = fieldOf(setting);
      continue;
    }
    const of = (inner[section] ??= {});
    of[name] = fieldOf(setting);
    fields[section] ??= { shape: { is: 'keys', fields: of }, what: sections[section] ?? '' };
  }
  return fields;
}

function fieldOf({ shape, what, otherwise }: Setting): Field {
  const value = typeof otherwise !== 'string' || (shape.is === 'choice' && shape.of.includes(otherwise));
  return { shape, what: sentence(what, otherwise), ...(value ? { fallback: otherwise } : {}) };
}

function limitsField(): Field {
  const fields = Object.entries(limitShapes).map(([name, shape]): [string, Field] => {
    const { reason, unit, value } = limitTable[name as LimitName];
    return [name, { shape, what: `In ${unit}. ${reason}`, fallback: value }];
  });
  const shape: Shape = { is: 'keys', fields: Object.fromEntries(fields) };
  return { shape, what: 'Bounds of gateways and control. All processes of a mesh should have the same.' };
}

/** What a setting is for and what counts without it, as a sentence. */
function sentence(what: string, otherwise: Setting['otherwise']): string {
  return `${what[0]?.toUpperCase()}${what.slice(1)}. Default: ${otherwise}.`;
}
