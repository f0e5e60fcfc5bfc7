/** Writes the JSON Schemas of the files that people write, and the page of settings. */
import { schemaOfFile } from '../../src/domain/config/json-schema.js';
import { policyShape } from '../../src/domain/config/policy-shape.js';
import { configShape } from '../../src/domain/config/file-shape.js';
import { limitSource, settings, type Setting } from '../../src/domain/config/settings.js';
import { expectedOf, type Fields, type Shape } from '../../src/domain/config/shape.js';
import { page } from './docs.js';
import { code, literal, markdownTable, prose } from './rows.js';

/** The schemas by file name, in `schemas/config`. */
export function configSchemas(): Record<string, string> {
  return {
    'mesh.schema.json': literal(schemaOfFile('mesh.yaml', 'Settings of the mesh command.', configShape)),
    'policy.schema.json': literal(
      schemaOfFile('mesh.policy.yaml', 'Who may do what in a mesh.', policyShape),
    ),
  };
}

const INTRO =
  'Every setting of the command `mesh`, and every key of `mesh.policy.yaml`. The nearest counts: flag, else variable, else file, else default. How to use them stands in [configuration](../configuration.md).';

const LIMITS = `\`${limitSource.key}\` in the file is a map from name to value; \`${limitSource.flag}\` and \`${limitSource.env}=name=value,…\` say the same. Which there are, and between what, stands in [limits](limits.md).`;

/** `docs/reference/config.md` */
export function configPage(): string {
  const parts = [
    '## mesh.yaml\n\n',
    settingTable(),
    `## Limits\n\n${LIMITS}\n\n`,
    '## mesh.policy.yaml\n\n',
    policyTable(),
  ];
  return page('Configuration', INTRO, parts.join(''));
}

function settingTable(): string {
  const cells = (Object.entries(settings) as [string, Setting][]).map(([key, one]) => [
    code(key),
    one.flag === undefined ? '' : code(one.flag),
    one.env === undefined ? '' : code(one.env),
    prose(expectedOf(one.shape)),
    prose(String(one.otherwise)),
    prose(one.what),
  ]);
  return markdownTable(['Key', 'Flag', 'Variable', 'Must be', 'Default', 'What'], cells);
}

function policyTable(): string {
  return markdownTable(['Key', 'Must be', 'What'], policyRows(policyShape.fields, ''));
}

function policyRows(fields: Fields, path: string): string[][] {
  return Object.entries(fields).flatMap(([key, { shape, what }]) => [
    [code(path + key), prose(mustBe(shape)), prose(what)],
    ...innerRows(shape, path + key),
  ]);
}

function innerRows(shape: Shape, path: string): string[][] {
  if (shape.is === 'keys') {
    return policyRows(shape.fields, `${path}.`);
  }
  if (shape.is === 'either') {
    return innerRows(shape.map, path);
  }
  const inner = shape.is === 'names' || shape.is === 'list' ? shape.of : undefined;
  const step = shape.is === 'names' ? '.{name}' : '[]';
  return inner?.is === 'keys' || inner?.is === 'either' ? innerRows(inner, path + step) : [];
}

function mustBe(shape: Shape): string {
  return shape.is === 'names'
    ? `a map; each key ${shape.key.expected}; each value ${expectedOf(shape.of)}`
    : expectedOf(shape);
}
